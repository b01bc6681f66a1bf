"""Appends by processes that are no web door: one event, and the backlogs of the benchmarks."""

from bench.backlog import append_backlog
from bench.setting import SHARDS
from worker.store.appending import append_event

DAY_S = 86_400


def test_an_event_is_stored_once(redis_client):
    """With the entry and the lanes to wake; again it is a duplicate."""
    first = append_event(redis_client, "app", 0, ["production"], "key", "about", b"{}", DAY_S)
    entry = redis_client.xrange("relay:{0}:events:app")[0][0].decode()
    assert (first.stored, first.entry, first.wake) == (True, entry, ("production",))
    again = append_event(redis_client, "app", 0, ["production"], "key", "about", b"{}", DAY_S)
    assert (again.stored, again.entry, again.wake) == (False, "", ())


def test_the_benchmarks_append_as_the_door_does(redis_client):
    """They call the script as it is now; each event is stored, and known by its id."""
    raw_bytes = append_backlog(redis_client, 1_000, 50)
    stored = [redis_client.xrange(f"relay:{{{shard}}}:events:app") for shard in range(SHARDS)]
    assert sum(map(len, stored)) == 1_000
    assert sum(len(fields[b"b"]) for entries in stored for _, fields in entries) == raw_bytes
    append_backlog(redis_client, 1_000, 50)
    assert sum(redis_client.xlen(f"relay:{{{shard}}}:events:app") for shard in range(SHARDS)) == 1_000
