"""Retention by time and by memory: what is settled goes, what waits never does, and the trail goes with its events."""

import os
import time

import pytest

from tests.support.parts import append, make_parts
from worker.ledger.figures import Ledger
from worker.machine.sizing import look_at_room
from worker.store.settling import Settlement
from worker.store.taken import Taken
from worker.store.trail import Run, encode_record
from worker.upkeep.rounds import Rounds


@pytest.fixture
def parts(tmp_path, own_redis):
    made = make_parts(tmp_path, own_redis().url, shards=1)
    made.join()
    yield made
    made.redis.close()


def settle(parts, lane, ids):
    """Settle these entries, with a trail."""
    taken = parts.streams.take(lane, "t", 1)
    assert isinstance(taken, Taken)
    places = [tuple(int(part) for part in one.split("-")) for one in ids]
    run = Run(places[0], places[-1], 1, 200, 1, 5, b"\x01" * len(ids))
    done = Settlement(ids[-1], len(ids), {"delivered": len(ids)}, {}, trail=encode_record(run))
    parts.streams.settle(lane, "t", 1, done, 0, ids[-1])
    parts.streams.release(lane, "t", ids[-1], keep=False)


def since_ms(parts):
    """When the oldest event that is kept was received."""
    return Ledger(parts).figures().past.since_ms


def press(parts, share):
    """Let the memory in use be that share of what ingest may fill."""
    used = parts.redis.info("memory")["used_memory"]
    parts.redis.config_set("maxmemory", int(used / share / parts.settings.max_memory_percent * 100))


def test_a_full_server_gives_up_the_past_before_it_refuses_the_next_event(parts):
    """Settled events go, oldest first, until there is room; those that wait stay, every one."""
    (lane,) = parts.lanes()
    ids = append(parts, lane, *[os.urandom(3000).hex().encode() for _ in range(2000)])
    settle(parts, lane, ids[:1500])
    press(parts, 0.99)
    dropped = [Rounds(parts).relieve() for _ in range(60)]
    assert sum(dropped) > 0
    assert dropped[-1] == 0
    memory = parts.redis.info("memory")
    assert memory["used_memory"] < memory["maxmemory"] * parts.settings.max_memory_percent / 100 * 0.9
    kept = [one.decode() for one, _ in parts.redis.xrange(lane.key("events"))]
    assert kept[-500:] == ids[1500:]
    assert kept == ids[-len(kept) :]


def test_a_host_whose_clock_is_ahead_trims_nothing_early(parts, monkeypatch):
    """By its own clock, a month ahead, all that was settled would be older than the retention."""
    (lane,) = parts.lanes()
    settle(parts, lane, append(parts, lane, *[b"{}"] * 500))
    ahead_ns = time.time_ns() + 30 * 86_400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: ahead_ns)
    assert (Rounds(parts).trim(), parts.redis.xlen(lane.key("events"))) == (0, 500)


def test_nothing_settled_means_nothing_is_dropped(parts):
    """Even when memory presses: what waits is never given up."""
    (lane,) = parts.lanes()
    append(parts, lane, *[os.urandom(3000).hex().encode() for _ in range(200)])
    press(parts, 0.99)
    assert [Rounds(parts).relieve() for _ in range(5)] == [0] * 5
    assert parts.redis.xlen(lane.key("events")) == 200


def test_what_waits_on_one_shard_does_not_keep_the_past_of_another(tmp_path, own_redis):
    """A group that is held since long before: the settled events of the other shard still make room."""
    parts = make_parts(tmp_path, own_redis().url, shards=2)
    parts.join()
    held, served = parts.lanes()
    parts.redis.xgroup_setid(held.key("events"), held.integration, "0-0")
    parts.redis.xadd(held.key("events"), {"b": b"{}"}, id="1700000000000-0")
    settle(parts, served, append(parts, served, *[os.urandom(3000).hex().encode() for _ in range(500)]))
    press(parts, 0.99)
    assert Rounds(parts).relieve() > 0
    assert parts.redis.xlen(held.key("events")) == 1
    parts.redis.close()


def test_without_pressure_the_past_stays(parts):
    """With and without a maxmemory."""
    (lane,) = parts.lanes()
    settle(parts, lane, append(parts, lane, *[b"{}"] * 300))
    assert Rounds(parts).relieve() == 0
    press(parts, 0.5)
    assert Rounds(parts).relieve() == 0


def test_the_trail_is_trimmed_with_its_events(parts):
    """A record goes when all that it speaks of is gone, and not before."""
    (lane,) = parts.lanes()
    for _ in range(8):
        for start in range(0, 500, 50):
            settle(parts, lane, append(parts, lane, *[b"{%d}" % start] * 50))
    assert parts.redis.xlen(lane.key("trail")) == 80
    half = parts.redis.xrange(lane.key("trail"))[40][0].decode()
    parts.redis.xtrim(lane.key("events"), minid=half, approximate=False)
    Rounds(parts).trim()
    assert parts.redis.xlen(lane.key("trail")) <= 80
    first = int(parts.redis.xrange(lane.key("trail"), count=1)[0][0].partition(b"-")[0])
    assert first <= since_ms(parts) + 1000


def test_how_far_the_past_reaches_is_the_oldest_event(parts):
    """None when nothing is kept."""
    (lane,) = parts.lanes()
    assert since_ms(parts) is None
    ids = append(parts, lane, b"{}", b"{}")
    assert since_ms(parts) == int(ids[0].partition("-")[0])


def test_a_user_who_may_not_ask_for_memory_relieves_nothing(parts):
    """The rules of docs/redis.md without +info: each sweep goes on to its end, instead of at most to this look."""
    rules = "resetkeys resetchannels ~relay* +@all -info"
    parts.redis.execute_command("ACL", "SETUSER", "default", *rules.split())
    assert Rounds(parts).relieve() == 0
    assert [bound.what for bound in Ledger(parts).bounds()] == ["dead letters"]
    assert look_at_room(parts.redis, parts.settings, ["app"], 100).level == "ok"
