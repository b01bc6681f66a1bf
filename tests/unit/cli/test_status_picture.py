"""What `relay status` draws, at four widths: files under tests/golden/cli."""

from pathlib import Path

import pytest
from rich.console import Console

from worker.cli.status_picture import picture
from worker.store.holds import Hold

GOLDEN = Path(__file__).parents[2] / "golden" / "cli"
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
        "p99_ms": 1_250,
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
        ),
    ],
    "sources": [{"source": "app", "accepted": 1_204_118, "duplicates": 31, "conflicting": 0, "lost": 0}],
    "near": [],
    "past": None,
    "revision": "7",
    "processes": [{"alive": True, "role": role} for role in ("web", "worker", "child", "child", "beat")],
    "wrong": [],
}


def drawn(state, width):
    """The picture as text."""
    console = Console(width=width, highlight=False, no_color=True)
    with console.capture() as capture:
        console.print(picture(state, width, NOW_MS))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_picture_fits_its_width(width):
    """Integration, state, what is dead, what waits and the delays are there at every width, and the cure of a hold."""
    text = drawn(STATE, width)
    assert text == (GOLDEN / f"status-{width}.txt").read_text("utf-8")
    assert max(map(len, text.splitlines())) <= width


def test_without_a_configuration_the_processes_are_shown():
    """What to do is said, and which processes are there: that is what one asks before the first configuration."""
    empty = STATE | {"items": [], "sources": [], "revision": "", "wrong": ["no configuration yet: write one"]}
    assert drawn(empty, 80).splitlines() == [
        "no configuration yet: write one",
        "revision none; processes alive: 1 beat, 1 web, 1 worker, 2 worker child",
    ]
