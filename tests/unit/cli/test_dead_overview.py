"""The table of `relay dead`, at four widths: files under tests/golden/cli."""

from pathlib import Path

import pytest

from worker.cli.dead.overview import causes_table
from worker.dead.causes import Cause

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
NOW_MS = 1_764_115_200_000
MINUTE_MS = 60_000


def cause(count, reason, field, status, event, name="production"):
    """A cause whose letters failed in the last three minutes."""
    hours = [0] * 11 + [count]
    times = {"oldest_ms": NOW_MS - 3 * MINUTE_MS, "newest_ms": NOW_MS - MINUTE_MS}
    return Cause(name, f"{count:012x}", reason, field, status, event, count, hours=hours, **times)


CAUSES = [
    cause(100, "rejected", "name", 207, "LOYALTY_TIER_CHANGED_BY_THE_BACKEND"),
    cause(44, "no_person", "customerio_user_id", 0, "SUBSCRIPTION_RENEWED"),
    cause(7, "invalid_time", "event_created_at_ms", 0, "ACTIVATE"),
]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_table_fits_its_width(width):
    """How many, what is wrong and the id that the next command takes are there at every width."""
    lines = causes_table(CAUSES, NOW_MS, width)
    assert "\n".join(lines) + "\n" == (GOLDEN / f"dead-{width}.txt").read_text("utf-8")
    assert max(map(len, lines)) <= width
    assert [line.split()[-1] for line in lines[1:]] == [one.cause for one in CAUSES]


def test_integrations_are_told_apart_at_every_width():
    """The column stays where several have dead letters."""
    lines = causes_table([*CAUSES, cause(1, "rejected", "name", 207, "A", "crm-test")], NOW_MS, 60)
    assert [line.split()[1] for line in lines] == ["integration", *["production"] * 3, "crm-test"]
