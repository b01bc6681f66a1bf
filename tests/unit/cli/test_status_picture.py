"""What `relay status` draws, at four widths: files under tests/golden/cli."""

import pytest
from rich.console import Console

from tests.support.screens import WIDTHS, same_screen
from worker.cli.status_picture import picture
from worker.store.holds import Hold
from worker.store.refusals import Refused

NOW_MS = 1_764_115_200_000


def item(name, **facts):
    """An integration's row as `relay status --json` has it."""
    return {
        "integration": name,
        "source": "app",
        "state": "live",
        "hold": None,
        "waiting": 0,
        "oldest_waiting_ms": 0,
        "accepted": 1_204_118,
        "delivered": 1_010_002,
        "filtered": {"event_off": 190_000, "environment": 3_852},
        "dead": 264,
        "properties_rejected": 0,
        "unaccounted": 0,
        "p50_ms": 12,
        "p99_ms": 40,
        "last_15_min": {"received": 1_204, "sent": 1_010, "filtered": 190, "failed": 0},
        "key": "",
        **facts,
    }


HELD = Hold("unauthorized", "relay", NOW_MS - 39_000, 3, NOW_MS + 15_000, 401, "Unauthorized")
STATE = {
    "items": [
        item("production"),
        item(
            "crm-test",
            state="held",
            hold=HELD,
            waiting=4_997,
            oldest_waiting_ms=39_000,
            dead=0,
            accepted=4_997,
            delivered=0,
            filtered={},
            p50_ms=None,
            p99_ms=None,
            last_15_min={"received": 1_204, "sent": 0, "filtered": 0, "failed": 0},
            key="TEST_API_KEY",
        ),
    ],
    "sources": [{"source": "app", "accepted": 1_204_118, "duplicates": 31, "conflicting": 0, "lost": 0}],
    "refused": [Refused("app", 401, 1_204), Refused("app", 422, 2), Refused("", 404, 1)],
    "near": [],
    "past": None,
    "revision": "7",
    "processes": [{"alive": True, "role": role} for role in ("web", "worker", "child", "child", "beat")],
    "wrong": [],
}


def drawn(state, width, rates=None):
    """The picture as text."""
    console = Console(width=width, highlight=False, no_color=True)
    with console.capture() as capture:
        console.print(picture(state, width, NOW_MS, rates))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_picture_fits_its_width(width):
    """Integration, state, what is dead, what waits and the delays are there at every width, and the cure of a hold."""
    text = drawn(STATE, width)
    same_screen(f"status-{width}", text)
    assert max(map(len, text.splitlines())) <= width


def test_without_a_configuration_the_processes_are_shown():
    """What to do is said, and which processes are there: that is what one asks before the first configuration."""
    empty = STATE | {
        "items": [],
        "sources": [],
        "refused": [],
        "revision": "",
        "wrong": ["no configuration yet: write one"],
    }
    assert drawn(empty, 80).splitlines() == [
        "no configuration yet: write one",
        "revision none; processes alive: 1 beat, 1 web, 1 worker (2 worker children)",
    ]


@pytest.mark.parametrize(
    ("hold", "why", "fix"),
    [
        (
            Hold("unreachable", "relay", NOW_MS - 500, 1, 0, 400, "batch: invalid"),
            'Customer.io refuses every event that it can be sent now (400 "batch: invalid"), next test due.',
            "Fix: correct what its message names in [events] or [event_attributes] · relay config apply FILE · or wait",
        ),
        (
            Hold("unreachable", "relay", NOW_MS - 500, 1, 0, 0, "timeout"),
            "not answer, or with errors (timeout)",
            "wait",
        ),
        (Hold("misdirected", "relay", 0, 1, 0, 404, ""), "Something else than Customer.io answers (404)", "base_url"),
        (Hold("operator", "operator", 0, 0, 0, 0, "new keys"), "Held by an operator: new keys.", "relay resume crm"),
        (Hold("dead_limit", "relay", 0, 0, 0, 0, ""), "Too many failed events.", "relay dead"),
        (Hold("of the future", "relay", 0, 0, 0, 0, ""), "of the future, next test due.", "see docs/runbook.md"),
    ],
)
def test_every_hold_says_why_and_what_ends_it(hold, why, fix):
    """In words, with the names as they are; one of another release too."""
    lines = drawn(STATE | {"items": [item("crm", state="held", hold=hold)]}, 120).splitlines()
    assert why in lines[2]
    assert fix in lines[3]


def test_watching_shows_what_comes_just_now():
    """Rates are beside the figures of the last minutes; an integration without samples has none yet."""
    text = drawn(STATE | {"items": [item("a"), item("b", last_15_min=None)]}, 200, {"a": (12.34, 0.5)})
    assert "1,204 in · 1,010 sent · 190 filtered · now 12/s in, 0.5/s sent" in text
    assert text.splitlines()[2].split()[:4] == ["b", "●", "live", "\N{EN DASH}"]
