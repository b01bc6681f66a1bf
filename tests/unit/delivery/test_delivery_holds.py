"""A destination that fails or a wrong key: the integration waits, in order, and nothing is buried."""

import threading

import msgspec
import pytest

from tests.support.fakes import BOUNDS, Bench, MemoryCustomerio, raw_event
from worker.customerio.answer import Answer
from worker.customerio.sender import Sender

RAWS = [raw_event(f"E{n}", n) for n in range(10)]
IDS = [f"E{n}-{n}" for n in range(10)]


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        (401, "unauthorized", 1),
        (403, "unauthorized", 1),
        (402, "unauthorized", 1),
        (410, "misdirected", 1),
        (409, "unreachable", 4),
        (301, "misdirected", 1),
        (404, "misdirected", 1),
        (204, "misdirected", 1),
        (0, "unreachable", 4),
        (408, "unreachable", 4),
        (429, "unreachable", 4),
        (500, "unreachable", 4),
        (503, "unreachable", 4),
    ],
)
def test_a_destination_at_fault_holds_the_integration(status, kind, requests):
    """The events stay where they are; what another attempt may fix is tried four times first."""
    bench = Bench(RAWS)
    bench.api.answers = [Answer(status, "said so")] * 10
    assert bench.run() == "held"
    assert bench.holds == [{"kind": kind, "status": status, "message": "said so", "probe": False}]
    assert (len(bench.api.requests), len(bench.slept_s)) == (requests, requests - 1)
    assert (bench.shelf.books(), bench.shelf.cursor, bench.shelf.lease) == ({}, "0-0", "")
    assert bench.run() == "held"
    assert len(bench.api.requests) == requests


def test_a_page_in_place_of_an_answer_is_misdirected():
    """With 200 too: it is tried again first, as a proxy may say so for a moment; then somebody should look."""
    bench = Bench(RAWS)
    bench.api.answers = [Answer(0, "200 with a body that is not JSON", foreign=True)] * 10
    assert bench.run() == "held"
    assert [one["kind"] for one in bench.holds] == ["misdirected"]
    assert len(bench.api.requests) == 4
    bench.api.answers = []
    assert bench.run(probe=True) == "empty"
    assert len(bench.api.events) == 10


def test_a_probe_that_fails_costs_one_small_request():
    """A probe sends three events, once, and says that it was one."""
    bench = Bench(RAWS)
    bench.shelf.held = True
    bench.api.answers = [Answer(503, "down")]
    assert bench.run(probe=True) == "held"
    assert bench.api.requests == [["E0", "E1", "E2"]]
    assert bench.holds == [{"kind": "unreachable", "status": 503, "message": "down", "probe": True}]
    assert bench.resumed == 0


def test_a_probe_that_succeeds_resumes_and_goes_on():
    """The first answer ends the hold; the rest follows in the same lease."""
    bench = Bench(RAWS)
    bench.shelf.held = True
    assert bench.run(probe=True) == "empty"
    assert bench.api.requests == [["E0", "E1", "E2"], [f"E{n}" for n in range(3, 10)]]
    assert (bench.resumed, bench.api.events) == (1, IDS)


def test_a_probe_that_is_refused_for_one_event_resumes_too():
    """A 400 is an answer: the destination lives, and the poisonous event is found."""
    bench = Bench(RAWS, api=MemoryCustomerio(refused={"E1"}))
    bench.shelf.held = True
    assert bench.run(probe=True) == "empty"
    assert bench.resumed == 1
    assert bench.api.events == [name for name in IDS if name != "E1-1"]
    assert bench.shelf.dead_events() == [("E1-1", "rejected")]


def test_a_probe_of_events_that_are_filtered_decides_nothing():
    """Without an answer of Customer.io the hold stays."""
    bench = Bench([raw_event("OFF", n, user_id="null") for n in range(5)])
    bench.shelf.held = True
    assert bench.run(probe=True) == "empty"
    assert (bench.resumed, bench.shelf.held, bench.api.requests) == (0, True, [])


def test_a_hold_in_the_middle_keeps_what_was_settled():
    """The first batch is settled, the second waits."""
    bench = Bench([raw_event(f"E{n}", n) for n in range(60)])
    bench.shelf.on_settle = lambda: bench.api.answers.append(Answer(401))
    assert bench.run() == "held"
    assert bench.shelf.books() == {"delivered": 50, "position": 50}
    assert len(bench.shelf.waiting()) == 10


def test_a_holder_without_a_lease_holds_nothing():
    """It was stopped for so long that its request timed out by itself: the destination is not to blame."""
    bench = Bench(RAWS, bounds=msgspec.structs.replace(BOUNDS, lease_s=0.05))
    bench.api.answers = [Answer(0)]
    bench.sender = Sender(bench.api, 1, 8.0, 1000.0)
    bench.api.on_request = lambda: threading.Event().wait(0.2)
    bench.shelf.renew = lambda *_: False
    assert bench.run() == "lost"
    assert (bench.holds, bench.shelf.books()) == ([], {})
