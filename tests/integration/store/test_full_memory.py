"""A server whose memory is full: nothing new is stored, and what is stored drains."""

import sys
from types import SimpleNamespace

import pytest
import redis

from tests.support.fakes import raw_event
from tests.support.parts import append, make_parts
from worker.acts.holding import Resumed, hold, resume
from worker.acts.record import Doer
from worker.ledger.figures import Ledger
from worker.process.foreign import guard
from worker.process.stop import Stop
from worker.store.actions import Actions
from worker.store.broker import count_messages, declare_queue
from worker.store.keys import SHARDS, person_key
from worker.store.settling import Burial, Settlement
from worker.upkeep.rounds import Rounds


@pytest.fixture
def parts(tmp_path, own_redis):
    server = own_redis()
    made = make_parts(tmp_path, server.url)
    made.join()
    yield made
    made.redis.close()


def fill_up(parts):
    parts.redis.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        parts.redis.set("probe", "x")


def test_every_step_of_a_delivery_works(parts):
    """Take, caution, settle with states and dead letters, renew, release, take again."""
    lane = parts.lanes()[0]
    ids = append(parts, lane, *[b"{}"] * 3)
    fill_up(parts)
    streams = parts.streams
    assert len(streams.take(lane, "t", 9).entries) == 3
    streams.caution(lane, "t", ids[0], "mapping")
    burial = Burial(f"production.0.{ids[0]}", "c", b"{}", 1, b"{}")
    done = Settlement(ids[1], 2, {"delivered": 1}, {person_key(0, "production", "p"): b"s"}, [burial])
    assert streams.settle(lane, "t", 1, done, 9, ids[1]).entries == [(ids[2], b"{}")]
    assert streams.renew(lane, "t")
    assert streams.release(lane, "t", ids[1], keep=False) == "more"
    assert len(streams.take(lane, "u", 9).entries) == 1
    assert [finding for finding in Ledger(parts).audit().findings if finding.integration] == []


def test_holds_and_sweeps_work(parts):
    """A key that fails while memory is full holds all shards, probes, and is resumed."""
    for lane in parts.lanes():
        append(parts, lane, b"{}")
    fill_up(parts)
    parts.holds.hold("production", "unauthorized", 1, status=401)
    assert parts.holds.get(["production"])["production"].failures == 1
    assert [probe for _, probe in Rounds(parts).sweep()] == [True]
    assert parts.holds.resume("production")
    assert {lane.shard for lane, _ in Rounds(parts).sweep()} == {0, 1}
    parts.join()


def test_an_operator_holds_and_resumes(tmp_path, own_redis, monkeypatch):
    """Done and recorded; a broker that is as full is asked for two wake-ups, not for one of every shard."""
    parts = make_parts(tmp_path, own_redis().url, shards=4)
    parts.join()
    for lane in parts.lanes():
        append(parts, lane, b"{}")
    fill_up(parts)
    for takes, woken, asked in [(True, 4, 4), (False, 0, 2)]:
        wakes = []
        wake = SimpleNamespace(wake=lambda *lane, wakes=wakes, takes=takes: wakes.append(lane) or takes)
        monkeypatch.setitem(sys.modules, "worker.tasks", wake)
        assert hold(parts, "production", Doer("ann"))
        assert resume(parts, "production", Doer("ann")) == Resumed(was_held=True, backlogs=4, woken=woken, copied=True)
        assert len(wakes) == asked
        newest = Actions(parts.redis).newest(0, 2)
        assert [(one.by, one.what) for one in newest] == [("ann", "resume"), ("ann", "hold")]
    parts.redis.close()


def test_a_delivery_that_fails_holds_without_leaving_its_lease(parts):
    """The whole of one task's work with an unreachable destination, on a full server."""
    lane = parts.lanes()[0]
    append(parts, lane, raw_event("E", 1))
    fill_up(parts)
    stop, waits_s = Stop(), []
    stop.sleep = waits_s.append
    assert parts.delivery(lane, stop).run("t") == "held"
    assert len(waits_s) == parts.settings.request_attempts - 1, "as many attempts as always, none for Redis"
    assert not parts.redis.exists(lane.key("lease"), lane.key("flight"))
    assert parts.holds.get(["production"])["production"].kind == "unreachable"


def test_who_begins_on_a_new_server_that_is_full_is_alive_and_joins_it_later(tmp_path, own_redis):
    """It could write down nothing of what it needs, and looked as if it did not run."""
    server = own_redis()
    made = make_parts(tmp_path, server.url)
    fill_up(made)
    step = made.pulse._step
    for _ in range(2):
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            step()
    assert [one.role for one in made.processes.all() if one.alive] == ["command"]
    made.redis.config_set("maxmemory", 0)
    step()
    assert made.redis.get(SHARDS) == b"2"
    made.end()
    made.redis.close()


def test_the_queue_of_a_broker_that_is_full_is_declared_and_counted(tmp_path, own_redis):
    """Its one binding is known without the server: what a worker does at its start, and `relay check`."""
    server = own_redis()
    made = make_parts(tmp_path, server.url)
    guard()
    fill_up(made)
    declare_queue(made.broker, "relay", 5)
    assert count_messages(made.broker, "relay", 5) == 0
    made.redis.close()
