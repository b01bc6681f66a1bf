"""Quiet hours: read from a text, and asked of a moment."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from config.quiet import read_quiet
from config.settings import Settings


def at(hour, minute=0):
    return int(datetime(2026, 1, 15, hour, minute, tzinfo=UTC).timestamp() * 1000)


def test_hours_over_midnight():
    """The end is not within."""
    quiet = read_quiet("22:00-07:00")
    assert [quiet.has(at(hour)) for hour in (21, 22, 3, 6, 7, 12)] == [False, True, True, True, False, False]


def test_hours_of_another_zone():
    """Berlin is an hour ahead in winter."""
    quiet = read_quiet("12:00-13:00 Europe/Berlin")
    assert [quiet.has(at(hour)) for hour in (10, 11, 12)] == [False, True, False]


def test_none():
    """The default."""
    assert read_quiet(" ") is None


@pytest.mark.parametrize(
    ("text", "instead"),
    [("22-7", "as in 22:00-07:00"), ("25:00-07:00", "as in 22:00"), ("22:00-07:00 Berlin", "as in Europe/Berlin")],
)
def test_what_is_wrong_is_said_with_the_setting(text, instead):
    """As every setting's."""
    with pytest.raises(ValidationError, match=instead):
        Settings(alert_quiet=text)
