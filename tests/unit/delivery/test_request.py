"""One request: whatever fails while an event is decided or composed is that event's dead letter, at once."""

import pytest

from tests.support.fakes import LANE, Bench, integration, raw_event
from worker.customerio.answer import Answer, ItemError
from worker.delivery.deciding import decide
from worker.delivery.judging import Request
from worker.delivery.request import Requests, Waiting
from worker.errors import UnknownStateError
from worker.mapping.batching import Fill
from worker.mapping.decision import Composed
from worker.mapping.mapper import Mapper
from worker.mapping.operation import Operation
from worker.mapping.outcome import Dead, Filtered
from worker.store.keys import person_key


class BuggedError(Exception):
    """A fault of the mapping; its text must not be kept."""


class Bugged(Mapper):
    """A mapping with two faults: it cannot decide on events named UNDECIDED, nor compose those named UNCOMPOSED."""

    def decide(self, event, now_ms, suppressed=frozenset()):
        if event.name == "UNDECIDED":
            raise BuggedError("ada@example.com")
        return super().decide(event, now_ms, suppressed)

    def compose(self, decisions, states):
        if any(b'"UNCOMPOSED"' in getattr(one, "body", b"") for one in decisions):
            raise BuggedError("ada@example.com")
        return super().compose(decisions, states)


@pytest.mark.parametrize("name", ["UNDECIDED", "UNCOMPOSED"])
@pytest.mark.parametrize("place", [0, 7, 59])
def test_an_event_that_the_mapping_fails_at_is_buried_at_once(name, place):
    """One lease is enough: it is a dead letter, every other event is delivered, and nothing else is held up."""
    raws = [raw_event(name if n == place else "GOOD", n) for n in range(60)]
    bench = Bench(raws, mapper=Bugged(integration()))
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [(f"{name}-{place}", "crashed_mapping")]
    assert bench.api.events == [f"GOOD-{n}" for n in range(60) if n != place]
    (letter,) = bench.shelf.dead.values()
    assert letter["message"].startswith("the relay failed at it: BuggedError in test_request.py:")
    assert "ada@" not in letter["message"]


def test_bytes_that_cannot_be_read_are_a_dead_letter_whatever_the_reason():
    """Too deep a nesting is one."""

    def too_deep():
        raise RecursionError

    decision = decide(Mapper(integration()), too_deep, 0)
    assert isinstance(decision, Dead)
    assert (decision.reason, decision.stage) == ("not_json", "read")


def make_requests(states=None):
    known = states or {}
    return Requests(
        LANE,
        Mapper(integration()),
        None,
        lambda keys: [known.get(key) for key in keys],
        Fill(50),
        lambda: False,
        frozenset({"ada"}),
    )


def test_a_state_of_a_newer_release_is_not_the_events_fault():
    """It is nobody's dead letter: the error goes up."""
    key = person_key(LANE.shard, LANE.integration, "")
    requests = make_requests()
    requests.states = dict.fromkeys(
        requests.keys_of(requests.decide([Waiting("1-0", raw_event("GOOD", 1, person="bob"))])), b"\x91\x63"
    )
    assert [one.startswith(key) for one in requests.states] == [True]
    with pytest.raises(UnknownStateError):
        requests.compose(requests.decide([Waiting("1-0", raw_event("GOOD", 1, person="bob"))]))


def test_people_who_are_suppressed_are_handed_in():
    """The mapping keeps no list of its own."""
    decisions = make_requests().decide([Waiting("1-0", raw_event("GOOD", 1)), Waiting("2-0", raw_event("G", 2, "bob"))])
    assert decisions[0] == Filtered("suppressed")
    assert not isinstance(decisions[1], Filtered)


def request(events, answer):
    return Request(events, Composed([Operation("event", b"{}", n) for n in range(events)], [None] * events, {}), answer)


@pytest.mark.parametrize(
    ("events", "answer", "poison", "judged", "outcomes"),
    [
        (2, None, False, "settle", [None, None]),
        (2, Answer(200), False, "settle", [None, None]),
        (
            2,
            Answer(207, "", (ItemError(1, "name", "bad"),)),
            False,
            "settle",
            [None, Dead("rejected", "send", "name", 207, "bad")],
        ),
        (2, Answer(207, "", (ItemError(-1, "", "bad"),)), False, "split", [None, None]),
        (1, Answer(207, "", (ItemError(-1, "", "bad"),)), False, "settle", [Dead("rejected", "send", "", 207)]),
        (2, Answer(400, "no"), False, "split", [None, None]),
        (1, Answer(400, "no"), False, "settle", [Dead("rejected", "send", "", 400, "no")]),
        (2, Answer(500, "no"), False, "hold", [None, None]),
        (2, Answer(500, "no"), True, "split", [None, None]),
        (1, Answer(500, "no"), True, "settle", [Dead("rejected", "send", "", 500, "no")]),
        (1, Answer(401, "no"), False, "hold", [None]),
    ],
)
def test_an_answer_settles_splits_or_holds(events, answer, poison, judged, outcomes):
    """What was refused has its outcome; a poisonous request is split as long as it holds more than one event."""
    one = request(events, answer)
    assert (one.judge(poison=poison), one.composed.outcomes) == (judged, outcomes)


@pytest.mark.parametrize(("status", "failed"), [(0, False), (429, False), (408, False), (500, True), (503, True)])
def test_only_a_server_error_may_be_about_an_event(status, failed):
    """A timeout and a 429 say nothing about events."""
    assert request(1, Answer(status)).failed is failed


def test_a_state_of_a_newer_release_holds_the_integration():
    """Nothing is buried for it, however often it is tried, and no worker is taken for killed."""
    bench = Bench([raw_event("GOOD", n) for n in range(3)])
    digest = bench.mapper.people_of([decide(bench.mapper, lambda: Waiting("1-0", raw_event("GOOD", 1)).event(), 0)])[0]
    bench.shelf.people[person_key(LANE.shard, LANE.integration, digest)] = b"\x91\x63"
    assert bench.run() == "held"
    for _ in range(12):
        assert bench.run(probe=True) == "held"
    assert (bench.shelf.dead, bench.shelf.flight, bench.api.requests) == ({}, {}, [])
    assert {one["kind"] for one in bench.holds} == {"unknown_state"}
    bench.shelf.people.clear()
    assert bench.run(probe=True) == "empty"
    assert len(bench.api.events) == 3
