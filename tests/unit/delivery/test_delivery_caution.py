"""Events that kill their worker: found by shrinking batches, buried, and their neighbours delivered."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import BOUNDS, Bench, integration, raw_event
from worker.errors import LeaseLostError
from worker.mapping.mapper import Mapper

RUNS_A_KILLER = 8


class KilledError(BaseException):
    """The process is gone: no handler of the relay's runs."""


class Murdered(Mapper):
    """A mapping that one event kills."""

    def decide(self, event, now_ms, suppressed=frozenset()):
        if event.name == "KILLER":
            raise KilledError
        return super().decide(event, now_ms, suppressed)


def run_to_the_end(bench, most):
    """Runs, as long as holders die; each time the next one comes when the lease has expired."""
    for _ in range(most):
        try:
            ended = bench.run()
        except KilledError:
            bench.shelf.expire()
            continue
        if ended == "empty":
            return
        assert ended == "more"
    raise AssertionError(f"not done after {most} runs: {bench.shelf.flight}")


@given(st.lists(st.sampled_from(["GOOD"] * 12 + ["KILLER"]), min_size=1, max_size=130), st.integers(3, 60))
def test_events_that_kill_their_worker_are_buried(names, batch):
    """Wherever they are: exactly those are dead, all others delivered once and in order, within a few deaths each."""
    raws = [raw_event(name, n) for n, name in enumerate(names)]
    bench = Bench(raws, mapper=Murdered(integration()), bounds=msgspec.structs.replace(BOUNDS, batch_events=batch))
    run_to_the_end(bench, (names.count("KILLER") + 1) * RUNS_A_KILLER)
    killers = [f"KILLER-{n}" for n, name in enumerate(names) if name == "KILLER"]
    assert bench.shelf.dead_events() == [(event, "crashed_worker") for event in killers]
    assert bench.api.events == [f"GOOD-{n}" for n, name in enumerate(names) if name == "GOOD"]
    assert (bench.shelf.flight, bench.shelf.lease) == ({}, "")


def test_caution_ends_behind_the_batch_that_killed():
    """After the burial the batches are large again."""
    raws = [raw_event("KILLER" if n == 7 else "GOOD", n) for n in range(200)]
    bench = Bench(raws, mapper=Murdered(integration()))
    run_to_the_end(bench, RUNS_A_KILLER)
    assert max(len(request) for request in bench.api.requests) == 50
    assert bench.shelf.dead_events() == [("KILLER-7", "crashed_worker")]


@pytest.mark.parametrize(("deaths", "dead"), [(10, []), (12, [("E-0", "crashed_worker")])])
def test_an_event_in_the_air_has_the_benefit_of_the_doubt(deaths, dead):
    """Workers that are killed while they wait for Customer.io most likely die of something else."""
    bench = Bench([raw_event("E", 0), raw_event("E", 1)])

    def die():
        raise KilledError

    bench.api.on_request = die
    for _ in range(deaths):
        with pytest.raises(KilledError):
            bench.run()
        bench.shelf.expire()
    bench.api.on_request = lambda: None
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == dead
    assert bench.api.events == ["E-0", "E-1"][len(dead) :]


def test_holders_that_vanish_often_bury_nothing_while_events_pass():
    """Each death is forgotten when the batch it struck is passed."""
    bench = Bench([raw_event("E", n) for n in range(100)])
    for _ in range(20):
        taken = bench.shelf.take(None, "vanished", 50)
        assert taken.deaths <= 1
        bench.shelf.expire()
        bench.run()
        bench.shelf.append(*[raw_event("F", n) for n in range(len(bench.shelf.entries), len(bench.shelf.entries) + 60)])
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == []


def test_a_clean_stop_is_no_death():
    """What is known of the poison outlives a clean stop, but the stop itself counts nothing."""
    stop = []
    raws = [raw_event("KILLER" if n == 2 else "GOOD", n) for n in range(3)]
    bench = Bench(raws, mapper=Murdered(integration()), stopping=lambda: bool(stop))
    for _ in range(3):
        with pytest.raises(KilledError):
            bench.run()
        bench.shelf.expire()
    stop.append(1)
    for _ in range(5):
        assert bench.run() == "more"
    assert {name: bench.shelf.flight[name] for name in ("deaths", "until")} == {
        "deaths": 3,
        "until": bench.shelf.entries[2][0],
    }
    stop.clear()
    run_to_the_end(bench, RUNS_A_KILLER)
    assert bench.shelf.dead_events() == [("KILLER-2", "crashed_worker")]


@given(st.lists(st.sampled_from(["lives", "frozen"]), min_size=5, max_size=12))
def test_holders_that_live_bury_nothing(ends):
    """They lost their lease with one event alone in hand; some say at once that they live, and some much later."""
    bench = Bench([raw_event("E", 0), raw_event("E", 1)])

    def lose():
        bench.shelf.expire()
        raise LeaseLostError("test")

    for end in ends:
        bench.mapper.decide = lambda *_: lose()
        bench.living.add(f"token-{bench._runs + 1}")
        assert bench.run() in {"lost", "busy"}
        if end == "lives":
            bench.speak()
    del bench.mapper.decide
    bench.speak()
    assert bench.run() == "empty"
    assert (bench.shelf.dead, bench.api.events, bench.shelf.flight) == ({}, ["E-0", "E-1"], {})


def test_a_burial_waits_for_holders_that_may_live():
    """Nothing is sent meanwhile; when they are dead after all, the event is buried at once."""
    bench = Bench([raw_event("KILLER", 0), raw_event("GOOD", 1)], mapper=Murdered(integration()))
    bench.living |= {f"token-{n}" for n in range(10)}
    for _ in range(5):
        with pytest.raises(KilledError):
            bench.run()
        bench.shelf.expire()
    for _ in range(3):
        assert bench.run() == "busy"
    assert (bench.shelf.dead, bench.api.requests, bench.shelf.lease) == ({}, [], "")
    bench.living.clear()
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [("KILLER-0", "crashed_worker")]
