"""Numbers and times for people."""

import pytest

from worker.cli.printing import count, span


@pytest.mark.parametrize(
    ("milliseconds", "message"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (5_400_000, "1 h 30 min"),
        (86_400_000, "1 d"),
        (200_000_000, "2 d 7 h"),
        (90_000_000_000, "1041 d 16 h"),
    ],
)
def test_a_time_has_one_or_two_units(milliseconds, message):
    """Nobody counts zeros."""
    assert span(milliseconds) == message


def test_thousands_are_set_apart():
    """Large counts can be read."""
    assert count(1234567) == "1,234,567"
