"""Events that Customer.io refuses: exactly those are buried, all others delivered once and in order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import BOUNDS, Bench, MemoryCustomerio, raw_event
from worker.customerio.answer import Answer, ItemError
from worker.delivery.request import UNPROVED

GOOD, REFUSED, REJECTED, NAMELESS, FILTERED = "GOOD", "REFUSED", "REJECTED", "NAMELESS", "OFF"
SORTS = st.lists(
    st.sampled_from([GOOD, GOOD, GOOD, GOOD, REFUSED, REJECTED, NAMELESS, FILTERED]), min_size=1, max_size=60
)


@given(sorts=SORTS, batch=st.integers(1, 40), people=st.integers(1, 4))
def test_exactly_the_poisonous_events_are_buried(sorts, batch, people):
    """Whole-batch 400s, named items and nameless errors, at any places and in any batch size."""
    raws = [raw_event(sort, n, person=f"p{n % people}") for n, sort in enumerate(sorts)]
    api = MemoryCustomerio(refused={REFUSED}, rejected={REJECTED}, nameless={NAMELESS})
    bench = Bench(raws, api=api, bounds=msgspec.structs.replace(BOUNDS, batch_events=batch))
    # where nobody else is served, other lanes' probes end the holds
    run_while_others_are_served(bench, 12 * (sorts.count(REFUSED) + sorts.count(NAMELESS)) + 1)
    of = [(sort, f"{sort}-{n}") for n, sort in enumerate(sorts)]
    dead = [event for sort, event in of if sort in {REFUSED, REJECTED, NAMELESS}]
    for person in range(people):  # somebody else's event may go ahead of its turn
        own = [event for n, (sort, event) in enumerate(of) if sort == GOOD and n % people == person]
        assert [event for event in bench.api.events if event in own] == own
    assert len(bench.api.events) == sorts.count(GOOD)
    assert bench.shelf.dead_events() == [(event, "rejected") for event in dead]
    books = {
        "delivered": sorts.count(GOOD),
        "dead": len(dead),
        "filtered:event_off": sorts.count(FILTERED),
        "position": len(sorts),
    }
    assert bench.shelf.books() == {name: count for name, count in books.items() if count}
    assert bench.shelf.lease == ""


def test_one_poisonous_event_among_five_hundred_costs_few_requests():
    """It is found by halving: not every neighbour is sent alone."""
    raws = [raw_event("REFUSED" if n == 333 else "GOOD", n) for n in range(500)]
    bounds = msgspec.structs.replace(BOUNDS, batch_events=500)
    bench = Bench(raws, api=MemoryCustomerio(refused={"REFUSED"}), bounds=bounds)
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [("REFUSED-333", "rejected")]
    assert len(bench.api.requests) <= 24


def test_a_dead_letter_has_what_was_sent_and_said():
    """The raw event, its operations, the status, the field, Customer.io's words and the attempts."""
    raw = raw_event("REJECTED", 7)
    bench = Bench([raw], api=MemoryCustomerio(rejected={"REJECTED"}))
    bench.run()
    (letter,) = bench.shelf.dead.values()
    kept = ("reason", "stage", "field", "status", "message", "raw", "person", "event", "integration", "shard")
    assert {name: letter[name] for name in kept} == {
        "reason": "rejected",
        "stage": "send",
        "field": "name",
        "status": 207,
        "message": "invalid",
        "raw": raw.decode(),
        "person": "ada",
        "event": "REJECTED",
        "integration": "production",
        "shard": 0,
    }
    assert [attempt["status"] for attempt in letter["attempts"]] == [207]
    assert ['"name":"REJECTED"' in body for body in letter["operations"]].count(True) == 1


def run_while_others_are_served(bench, most):
    """Runs; each hold is ended by another shard's probe."""
    for run in range(most):
        match bench.run():
            case "empty":
                return run + 1
            case "held":
                bench.shelf.held = False
    raise AssertionError(f"not done after {most} runs")


BUDGETS_S = st.sampled_from([0.0, 60.0])  # with the least of them a lease lasts for one request, and for whole searches
PEOPLE = ("ada", "bob")


@given(
    st.lists(st.sampled_from([GOOD] * 8 + ["POISON"]), min_size=1, max_size=60),
    st.integers(1, 40),
    BUDGETS_S,
    st.data(),
)
def test_an_event_that_customerio_cannot_bear_is_buried(sorts, batch, budget_s, data):
    """A 500 whenever it is in a batch, though others are served: found by halving, after six failures at one place."""
    people = data.draw(st.lists(st.sampled_from(PEOPLE), min_size=len(sorts), max_size=len(sorts)))
    raws = [raw_event(sort, n, person) for n, (sort, person) in enumerate(zip(sorts, people, strict=True))]
    api = MemoryCustomerio(poison={"POISON"})
    bench = Bench(raws, api=api, bounds=msgspec.structs.replace(BOUNDS, batch_events=batch, budget_s=budget_s))
    run_while_others_are_served(bench, 12 * sorts.count("POISON") + len(sorts) + 1)
    of = [(sort, f"{sort}-{n}") for n, sort in enumerate(sorts)]
    assert sorted(bench.api.events) == sorted(event for sort, event in of if sort == GOOD)
    for person in PEOPLE:
        own = [event for (sort, event), who in zip(of, people, strict=True) if sort == GOOD and who == person]
        assert [event for event in bench.api.events if event in own] == own
    assert bench.shelf.dead_events() == [(event, "rejected") for sort, event in of if sort == "POISON"]
    assert {letter["status"] for letter in bench.shelf.dead.values()} <= {500}
    assert bench.shelf.flight == {}


@pytest.mark.parametrize("place", [0, 30, 49])
def test_a_search_is_not_cut_short_by_the_budget(place):
    """A lease that may only last for one request would start it over each time, for ever."""
    sorts = [REFUSED if n == place else GOOD for n in range(50)]
    bounds = msgspec.structs.replace(BOUNDS, budget_s=0.0)
    bench = Bench(
        [raw_event(sort, n) for n, sort in enumerate(sorts)], api=MemoryCustomerio(refused={REFUSED}), bounds=bounds
    )
    runs = 0
    while bench.run() == "more":
        runs += 1
    assert runs <= 3
    assert bench.shelf.dead_events() == [(f"{REFUSED}-{place}", "rejected")]
    assert len(bench.api.events) == 49


def test_an_outage_buries_nothing_however_long():
    """While nobody is served there are only probes, and those are not counted."""
    bench = Bench([raw_event("POISON", n) for n in range(5)], api=MemoryCustomerio(poison={"POISON"}))
    assert bench.run() == "held"
    for _ in range(50):
        assert bench.run(probe=True) == "held"
    assert (bench.shelf.dead, bench.shelf.flight["refusals"]) == ({}, 1)


def test_an_outage_that_begins_with_the_search_buries_nothing():
    """The sixth failure is everybody's: somebody else's event, sent to make sure, fails too, so nothing is poison."""
    raws = [raw_event("POISON", n, PEOPLE[n % 2]) for n in range(9)]
    bench = Bench(raws, api=MemoryCustomerio(poison={"POISON"}))
    for _ in range(10):
        assert bench.run() == "held"
        bench.shelf.held = False
    assert (bench.shelf.dead, bench.api.events) == ({}, [])
    bench.api.poison.clear()
    assert bench.run() == "empty"
    assert len(bench.api.events) == 9


def test_an_outage_that_ends_during_the_search_buries_nothing():
    """Five failures at one place, the sixth begins the search, and all is well again: nothing was poison."""
    bench = Bench([raw_event("POISON", n) for n in range(9)], api=MemoryCustomerio(poison={"POISON"}))
    for _ in range(5):
        assert bench.run() == "held"
        bench.shelf.held = False
    bench.api.on_request = lambda: bench.api.requests and len(bench.api.requests[-1]) < 9 and bench.api.poison.clear()
    assert bench.run() == "empty"
    assert (bench.shelf.dead, len(bench.api.events)) == ({}, 9)


def test_an_outage_after_a_search_that_found_nobody_buries_nothing():
    """The search is over: what fails later, in the same lease, is looked at from the start."""
    raws = [raw_event("POISON", n, PEOPLE[n % 2]) for n in range(90)]
    bench = Bench(
        raws, api=MemoryCustomerio(poison={"POISON"}), bounds=msgspec.structs.replace(BOUNDS, batch_events=30)
    )
    for _ in range(5):
        assert bench.run() == "held"
        bench.shelf.held = False

    def change():
        served = len(bench.api.events)
        outage = served >= 45 or (not served and len(bench.api.requests) < 25)
        bench.api.poison = {"POISON"} if outage else set()

    bench.api.on_request = change
    assert bench.run() == "held"
    assert bench.shelf.dead == {}
    assert 45 <= len(bench.api.events) < 90


def test_the_lanes_own_probes_do_not_hide_what_lies_behind_them():
    """Each hold is ended by this lane's own probe of three events, which are fine: the count goes on."""
    raws = [raw_event("POISON" if n == 40 else GOOD, n, PEOPLE[n % 2]) for n in range(50)]
    bench = Bench(raws, api=MemoryCustomerio(poison={"POISON"}))
    for _ in range(6):
        if bench.run() == "empty" or bench.run(probe=True) == "empty":
            break
        bench.shelf.held = False
    assert bench.shelf.dead_events() == [("POISON-40", "rejected")]


def test_a_lane_without_others_finds_it_by_its_own_probes():
    """The event is the first of all, so each probe fails; but somebody else's event behind it is taken."""
    raws = [raw_event("POISON" if n == 0 else GOOD, n, PEOPLE[n % 2]) for n in range(20)]
    bench = Bench(raws, api=MemoryCustomerio(poison={"POISON"}))
    ended = bench.run()
    for _ in range(6):
        if ended == "held":
            ended = bench.run(probe=True)
    assert ended == "empty"
    assert bench.shelf.dead_events() == [("POISON-0", "rejected")]
    assert [event for event in bench.api.events if event == "GOOD-1"] == ["GOOD-1"]
    assert len(bench.api.events) == 19


def test_after_a_death_nobody_elses_event_is_decided_on_ahead():
    """It might be the one that killed; so the failing event waits for more failures, or for the end of the caution."""
    raws = [raw_event("POISON" if n == 0 else GOOD, n, PEOPLE[n % 2]) for n in range(20)]
    bench = Bench(raws, api=MemoryCustomerio(poison={"POISON"}))
    bench.shelf.flight = {"token": "vanished", "stuck": bench.shelf.entries[-1][0], "refusals": 5}
    assert bench.run() == "held"
    assert (bench.shelf.dead, bench.api.events) == ({}, [])


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer(400, "no"), Answer(422), Answer(413), Answer(409), Answer(207, "", (ItemError(-1, "", "invalid"),))),
        *(Answer(status, foreign=True) for status in (400, 413, 422)),
    ],
)
@pytest.mark.parametrize("people", [1, 3])
def test_a_destination_that_refuses_everything_buries_next_to_nothing(answer, people):
    """What is refused for every event alike is not about the event: the integration is held, and recovers."""
    bench = Bench([raw_event(GOOD, n, f"p{n % people}") for n in range(40)])
    bench.api.answers = [answer] * 10_000
    ended = bench.run()
    for _ in range(50):
        assert ended == "held"
        ended = bench.run(probe=True)
    assert len(bench.shelf.dead) <= (UNPROVED if people == 1 and not answer.foreign else 0)
    bench.api.answers = []
    assert bench.run(probe=True) == "empty"
    assert len(bench.api.events) + len(bench.shelf.dead) == 40


def test_an_event_that_is_refused_with_nobody_to_compare_is_buried_a_few_times():
    """A quiet lane: alone in the queue, one after the other; whoever is served in between ends the count."""
    for between, dead in ((False, UNPROVED), (True, 6)):
        bench = Bench(api=MemoryCustomerio(refused={REFUSED}))
        for n in range(6):
            bench.shelf.append(raw_event(REFUSED, n))
            bench.run()
            if between:
                bench.shelf.append(raw_event(GOOD, 100 + n))
                bench.run()
        assert len(bench.shelf.dead) == dead


def test_people_whose_events_are_all_refused_do_not_hide_one_who_is_served():
    """Ten people in front, all by one sender's mistake: whoever waits behind them shows that others are served."""
    raws = [*(raw_event(REFUSED, n, f"p{n % 10}") for n in range(12)), raw_event(GOOD, 12, "somebody else")]
    bench = Bench(raws, api=MemoryCustomerio(refused={REFUSED}))
    assert bench.run() == "empty"
    assert (len(bench.shelf.dead), bench.api.events) == (12, [f"{GOOD}-12"])


def test_a_refusal_that_customer_io_would_not_write_buries_nobody_alone():
    """A proxy's page with a 400, lane after lane with one event each: they are held, and sent when it is gone."""
    for _ in range(6):
        bench = Bench([raw_event(GOOD, 1)])
        bench.api.answers = [Answer(400, "400 Bad Request", foreign=True)] * 4
        assert bench.run() == "held"
        bench.shelf.held = False
        bench.api.answers = []
        assert bench.run() == "empty"
        assert (bench.shelf.dead, bench.api.events) == ({}, [f"{GOOD}-1"])


def test_errors_of_items_that_were_not_sent_are_a_failure():
    """They may be about another request: nothing is buried, unless others are served again and again meanwhile."""
    bench = Bench([raw_event(GOOD, n) for n in range(3)])
    bench.api.answers = [Answer(207, "", (ItemError(99_999, "", "invalid"),))] * 5
    for _ in range(5):
        assert bench.run() == "held"
        bench.shelf.held = False
    assert bench.run() == "empty"
    assert (bench.shelf.dead, len(bench.api.events)) == ({}, 3)


def test_all_errors_of_an_event_are_in_its_letter():
    """Several errors may share an item."""
    bench = Bench([raw_event(GOOD, 1)])
    errors = (ItemError(1, "name", "too long"), ItemError(1, "timestamp", "in the future"), ItemError(1, "", "odd"))
    bench.api.answers = [Answer(207, "", errors)]
    assert bench.run() == "empty"
    (letter,) = bench.shelf.dead.values()
    assert (letter["field"], letter["message"]) == ("name", "too long; timestamp: in the future; odd")


def test_timeouts_are_never_an_events_fault():
    """Nor is a 429: they tell of the destination's state."""
    for status in (0, 408, 429):
        bench = Bench([raw_event("E", n) for n in range(3)])
        bench.api.answers = [Answer(status)] * 100
        for _ in range(12):
            assert bench.run() == "held"
            bench.shelf.held = False
        assert (bench.shelf.dead, bench.shelf.flight) == ({}, {})
