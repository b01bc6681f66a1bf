"""The tables of event ids that were received: their names, what they hold of an id, how often it came again."""

import hashlib
import time
from collections.abc import Collection
from typing import Any

import redis

from worker.store.keys import shard_key

AGES = 3
"""How many tables are read: the present one and the two before it, each for half of the dedup window."""

_AGAIN = b"#"
_BLANK = hashlib.blake2b(digest_size=16)


def bucket_s(dedup_window_s: int) -> int:
    """How long one table takes new ids, seconds."""
    return max(1, dedup_window_s // 2)


def id_digest(key: str) -> bytes:
    """What is kept of an event's id: 16 bytes."""
    digest = _BLANK.copy()  # a third of the time that making one takes
    digest.update(key.encode("utf-8", "surrogatepass"))
    return digest.digest()


def tables(shard: int, kind: str, source: str, bucket: int) -> list[str]:
    """The tables of a source on a shard, the present one first; `bucket` is the time in units of `bucket_s`."""
    return [f"{shard_key(shard, kind, source)}:{bucket - age}" for age in range(AGES)]


def shards_that_know(client: redis.Redis, source: str, key: str, shards: int, bucket: int) -> list[int]:
    """The shards on which an event of that id was received, as long as it is remembered; nearly always one or none."""
    server: Any = client
    digest = id_digest(key)
    pipe = server.pipeline(transaction=False)
    for shard in range(shards):
        for table in tables(shard, "ids", source, bucket):
            pipe.hexists(table, digest)
    marks = pipe.execute()
    return [shard for shard in range(shards) if any(marks[shard * AGES : (shard + 1) * AGES])]


def with_each_id_once(
    client: redis.Redis, places: Collection[tuple[str, int]], dedup_window_s: int
) -> set[tuple[str, int]]:
    """Of streams, by source and shard, those in which no two events have one id.

    There every event's id is still remembered, none was in use for something else, and nothing was stored again out of
    the memory of a web process.
    """
    server: Any = client
    pipe = server.pipeline(transaction=False)
    for source, shard in places:
        pipe.hmget(shard_key(shard, "intake", source), "conflicting", "restored")
        pipe.xrange(shard_key(shard, "events", source), count=1)
    replies = pipe.execute()
    since_ms = (time.time() - dedup_window_s) * 1000
    return {
        place
        for place, twice, rows in zip(places, replies[::2], replies[1::2], strict=True)
        if not any(int(count or 0) for count in twice)
        and all(int(row[0].partition(b"-")[0]) > since_ms for row in rows)
    }


def received_again(client: redis.Redis, shard: int, source: str, key: str, bucket: int) -> int:
    """How often an event was received after the first time, as long as its id is remembered."""
    server: Any = client
    pipe = server.pipeline(transaction=False)
    for table in tables(shard, "ids", source, bucket):
        pipe.hget(table, id_digest(key) + _AGAIN)
    return sum(int(count or 0) for count in pipe.execute())
