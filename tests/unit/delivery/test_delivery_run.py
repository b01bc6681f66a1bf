"""One lease: everything that waits is delivered in order, and nothing is settled that was not answered."""

import msgspec
import pytest

from tests.support.fakes import BOUNDS, Bench, MemoryCustomerio, raw_event
from worker.customerio.answer import Answer


def names(count, start=0):
    return [f"E{n}" for n in range(start, start + count)]


def ids(count, start=0):
    return [f"E{n}-{n}" for n in range(start, start + count)]


def raws(count, start=0):
    return [raw_event(f"E{n}", n) for n in range(start, start + count)]


def test_everything_that_waits_is_delivered_in_order():
    """120 events arrive in their order, in three requests, and the books say so."""
    bench = Bench(raws(120))
    assert bench.run() == "empty"
    assert bench.api.events == ids(120)
    assert bench.api.requests == [names(50), names(50, 50), names(20, 100)]
    assert bench.shelf.books() == {"delivered": 120, "position": 120}
    assert (bench.shelf.waiting(), bench.shelf.lease, bench.shelf.flight) == ([], "", {})


def test_an_idle_lane_costs_no_request():
    """A wake-up for nothing takes the lease, sends nothing and lets go."""
    bench = Bench()
    assert bench.run() == "empty"
    assert (bench.api.requests, bench.shelf.settles, bench.shelf.lease) == ([], [], "")


def test_filtered_events_are_settled_without_a_request():
    """What the integration does not want is counted by reason, and the cursor passes it."""
    bench = Bench([raw_event("OFF", 1, user_id="null"), raw_event("E", 2, environment="SANDBOX")])
    assert bench.run() == "empty"
    assert bench.api.requests == []
    assert bench.shelf.books() == {"filtered:event_off": 1, "filtered:environment_unclaimed": 1, "position": 2}


def test_placeholders_are_counted_as_nobody():
    """Neither one shared profile nor dead letters by the thousand."""
    bench = Bench([raw_event("E", n, user_id=value) for n, value in enumerate(["undefined", "NaN", "null"])])
    assert bench.run() == "empty"
    assert bench.api.requests == []
    assert bench.shelf.books() == {"filtered:no_person": 3, "position": 3}


def test_an_event_that_is_off_costs_an_identify_at_most():
    """The first says something new of the person, the second does not; both stay filtered."""
    bench = Bench([raw_event("OFF", 1)])
    assert bench.run() == "empty"
    assert (bench.api.requests, bench.api.plans) == ([[]], {"ada": "monthly"})
    bench.shelf.append(raw_event("OFF", 2))
    assert bench.run() == "empty"
    assert bench.api.requests == [[]]
    assert bench.shelf.books() == {"filtered:event_off": 2, "position": 2}


def test_refused_properties_of_an_event_that_is_off_are_a_dead_letter():
    """Nothing else would say that they never arrived."""
    bench = Bench([raw_event("OFF", 1)], api=MemoryCustomerio(rejected={"identify"}))
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [("OFF-1", "properties_rejected")]
    assert bench.shelf.books() == {"filtered:event_off": 1, "properties": 1, "position": 1}


def test_refused_properties_do_not_kill_their_event():
    """Customer.io took the event: it is delivered, and the properties are the letter."""
    bench = Bench([raw_event("E", 1), raw_event("E", 2)], api=MemoryCustomerio(rejected={"identify"}))
    assert bench.run() == "empty"
    assert bench.api.events == ["E-1", "E-2"]
    assert bench.shelf.dead_events() == [("E-2", "properties_rejected")]
    assert bench.shelf.books() == {"delivered": 2, "properties": 1, "position": 2}


def test_an_event_that_is_refused_with_its_properties_is_one_dead_letter():
    """Which says both."""
    bench = Bench([raw_event("E", 1)], api=MemoryCustomerio(rejected={"identify", "E"}))
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [("E-1", "rejected")]
    assert [letter["message"] for letter in bench.shelf.dead.values()] == ["invalid; name: invalid"]
    assert bench.shelf.books() == {"dead": 1, "position": 1}


def test_bytes_that_are_no_event_become_a_dead_letter():
    """A foreign writer's bytes are buried with the reason, and the neighbours delivered."""
    bench = Bench([raw_event("E", 1), b"\xff\x00", b"[1]", raw_event("E", 2)])
    assert bench.run() == "empty"
    assert bench.api.events == ["E-1", "E-2"]
    assert [reason for _, reason in bench.shelf.dead_events()] == ["not_json", "not_json"]
    assert bench.shelf.books() == {"delivered": 2, "dead": 2, "position": 4}


def test_what_comes_while_the_lease_is_let_go_is_served_too():
    """An event that is appended behind the last read is found before the lease ends: no wake-up is needed."""
    bench = Bench(raws(1))
    late = [raws(1, 1), raws(1, 2)]
    bench.shelf.on_release = lambda: late and bench.shelf.append(*late.pop(0))
    assert bench.run() == "empty"
    assert bench.api.events == ids(3)


def test_a_spent_budget_yields_with_the_wake_mark_set():
    """Others get their turn: the lease is let go, and the caller is asked to send a message."""
    bench = Bench(raws(120), bounds=msgspec.structs.replace(BOUNDS, budget_s=0))
    assert bench.run() == "more"
    assert (bench.shelf.lease, bench.shelf.woken, bench.shelf.flight) == ("", True, {})
    assert len(bench.shelf.waiting()) == 120 - len(bench.api.events)


def test_a_stop_ends_after_the_batch_in_hand():
    """A process that is asked to stop settles what was answered and lets the lease go."""
    stop = []
    bench = Bench(raws(120), stopping=lambda: bool(stop))
    bench.shelf.on_settle = lambda: stop.append(1)
    assert bench.run() == "more"
    assert bench.api.events == ids(50)
    assert (bench.shelf.books(), bench.shelf.lease) == ({"delivered": 50, "position": 50}, "")


def test_a_stop_between_attempts_abandons_the_batch():
    """A process that is asked to stop while it retries settles nothing: the next holder sends again."""
    stop = []
    api = MemoryCustomerio()
    api.answers = [Answer(500)]
    api.on_request = lambda: stop.append(1)
    bench = Bench(raws(3), api=api, stopping=lambda: bool(stop))
    assert bench.run() == "more"
    assert (bench.shelf.books(), bench.shelf.lease, bench.shelf.flight) == ({}, "", {})
    api.on_request, stop[:] = (lambda: None), []
    assert bench.run() == "empty"
    assert bench.api.events == ids(3)


def test_a_holder_that_lost_its_lease_changes_nothing():
    """A settle that comes too late is refused; the next holder sends again, and the ULIDs make it one effect."""
    bench = Bench(raws(60))
    bench.shelf.on_settle = bench.shelf.expire
    assert bench.run() == "lost"
    assert (bench.shelf.books(), bench.shelf.cursor) == ({}, "0-0")
    bench.shelf.on_settle = lambda: None
    assert bench.run() == "empty"
    assert bench.api.events == ids(60)
    assert bench.shelf.books() == {"delivered": 60, "position": 60}


@pytest.mark.parametrize(("held", "lease", "answer"), [(True, "", "held"), (False, "another", "busy")])
def test_a_lane_that_is_not_free_is_left_alone(held, lease, answer):
    """A held or leased lane costs one look."""
    bench = Bench(raws(1))
    bench.shelf.held, bench.shelf.lease = held, lease
    assert bench.run() == answer
    assert (bench.api.requests, bench.shelf.flight) == ([], {})


def test_a_person_is_told_the_state_after_the_run():
    """Two events of one person in one request: one identify, with what holds after the second."""
    bench = Bench([raw_event("E", 1, plan="monthly"), raw_event("E", 2, plan="yearly")])
    assert bench.run() == "empty"
    assert bench.api.plans == {"ada": "yearly"}
    assert len(bench.shelf.people) == 1


def test_a_request_that_grew_too_large_is_made_smaller():
    """Events near the limit of an item do not fit 50 in a request: none is lost, order is kept."""
    bench = Bench([raw_event(f"E{n}", n, note="x" * 30_000) for n in range(40)])
    assert bench.run() == "empty"
    assert bench.api.events == ids(40)
    assert max(len(request) for request in bench.api.requests) < 20
