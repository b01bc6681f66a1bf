"""What `relay dead` and the plan of a replay print, at four widths: files under tests/golden/cli."""

import time

import pytest

from tests.support.screens import WIDTHS, same_screen
from worker.cli.dead.picture import described, picture, table
from worker.cli.dead.plan import plan
from worker.dead.causes import Cause
from worker.dead.groups import group
from worker.replay.survey import Survey
from worker.store.holds import Hold

NOW_MS = 1_764_115_200_000
MINUTE_MS = 60_000
TRIED = {"production": ("customerio_user_id", "user_id")}


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    """Times of day are those of this machine's zone."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def cause(count, reason, field, status, event, name="production"):
    """A cause whose letters failed in the last three minutes."""
    hours = [0] * 11 + [count]
    times = {"oldest_ms": NOW_MS - 3 * MINUTE_MS, "newest_ms": NOW_MS - MINUTE_MS}
    return Cause(name, f"{count:012x}", reason, field, status, event, count, hours=hours, **times)


def grouped(causes):
    """Groups with their numbers."""
    found = group(causes)
    for number, one in enumerate(found, 1):
        one.number = number
    return found


CAUSES = [
    cause(100, "rejected", "name", 207, "LOYALTY_TIER_CHANGED_BY_THE_BACKEND"),
    *(cause(5, "no_person", "customerio_user_id", 0, f"EVENT_{n}") for n in range(9)),
    cause(40, "no_event_name", "event_name", 0, ""),
    cause(35, "invalid_time", "event_created_at_ms", 0, "ACTIVATE"),
    cause(30, "too_large", "plan", 0, "SUBSCRIPTION_RENEWED"),
    cause(14, "rejected", "attributes.store_country", 207, "SUBSCRIPTION_RENEWED"),
]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_groups_fit_the_width(width):
    """The number that the next command takes, how many, what is wrong and where are there at every width."""
    lines = picture(grouped(CAUSES), 20, NOW_MS, width, 1_000_000, TRIED)
    same_screen(f"dead-{width}", "\n".join(lines) + "\n")
    assert max(map(len, lines)) <= width


def test_integrations_are_told_apart_at_every_width():
    """The column stays where several have dead letters."""
    both = grouped([*CAUSES, cause(1, "rejected", "name", 207, "A", "crm-test")])
    lines = table(both, NOW_MS, 60, TRIED)
    assert [line.split()[2] for line in lines] == ["INTEGRATION", *["production"] * 6, "crm-test"]
    text = "\n".join(picture(both, 2, NOW_MS, 200, 1_000_000, TRIED))
    assert "265 failed events: production 264, crm-test 1, since 23:57 (3 min)." in text
    assert "(room for 999,736 more of production)" in text
    assert "and 120 failed events in 5 more groups (--limit)" in text


def test_events_that_arrived_are_not_said_to_have_failed():
    """Where Customer.io refused the person's properties alone; `relay status` counts them apart too."""
    refused = cause(891, "properties_rejected", "attributes.store_country", 207, "RENEWED")
    text = "\n".join(picture(grouped([refused, *CAUSES[:1]]), 20, NOW_MS, 120, 1_000_000, TRIED))
    assert text.startswith("100 failed events and 891 events with refused properties, production, since 23:57")
    assert "  refused property: store_country (207)     RENEWED" in text
    assert picture(grouped([refused]), 20, NOW_MS, 120, 1_000_000, TRIED)[0].startswith("891 events with refused ")


def test_a_group_whose_number_could_not_be_stored_is_named_by_its_cause():
    """Whoever may only read can look all the same."""
    lines = picture(group(CAUSES[:1]), 20, NOW_MS, 200, 1_000_000, TRIED)
    assert "relay dead list --cause 000000000064" in lines[-1]


def test_one_group_is_described():
    """Which events it is about, most first, each with the id of its cause; not more than fit."""
    lines = described(grouped(cause(n, "rejected", "name", 207, f"E{n}") for n in range(1, 31))[0], NOW_MS, ())
    assert lines[0] == "1: 465 failed events of production, since 23:57, the last 1 min ago"
    assert lines[1].strip() == "Customer.io refused the event name (207)"
    assert [line.split()[1] for line in lines[2:5]] == ["EVENT", "E30", "E29"]
    assert lines[-1].strip() == "and 15 more event names"


SURVEY = Survey(
    matched=140,
    integrations={"production": 140},
    late=140,
    people=121,
    newer=70,
    same=140,
    refused={"rejected:name": 140},
)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_plan_of_a_replay_fits_the_width(width):
    """The outcomes add up, and say what would make the letters pass."""
    lines = plan(SURVEY, 0, {}, lambda _: "1", width)
    same_screen(f"dead-replay-{width}", "\n".join(lines) + "\n")
    assert max(map(len, lines)) <= width


def test_a_plan_says_what_holds_it_up():
    """One row an outcome and reason; what is held, gone or late is a remark."""
    found = Survey(
        matched=7,
        integrations={"production": 5, "crm": 2},
        people=1,
        late=1,
        sent=2,
        dead={"no_person": 3},
        fields={"no_person:user_id": 3},
        filtered={"event_off": 2},
        orphans={"gone": 1},
    )
    hold = Hold("operator", "operator", NOW_MS, 0, 0, 0, "")
    wrong = "no field names a person (user_id is tried first); fix it in the source's [identity], or relay dead edit 2"
    assert plan(found, 2, {"crm": hold}, lambda _: "2", 200) == [
        "gone is not in the integrations file any more: its 1 letter cannot be replayed",
        "7 failed events (production 5, crm 2), 1 person",
        "  would pass         2",
        f"  would fail again   3  {wrong} --set user_id=ID",
        "  would be filtered  2  event_off",
        "Note: 1 is older than 72 h: no campaign starts. crm is held (operator): the job waits for its resume.",
    ]
