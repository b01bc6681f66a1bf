"""Retention: settled events leave the streams when they are old, or earlier when memory presses.

Only what every group of a stream is past may go, whether this process knows the group's integration or not: a host with
an older configuration must not drop what waits for a newer one. The trail goes with its events. When Redis nears the
memory that ingest may fill, the oldest tenth of the past goes at each look, rather than the next event be refused.
"""

import logging
import time
from typing import Any

import redis

from worker.store.entry_id import order
from worker.store.keys import shard_key

log = logging.getLogger(__name__)

# Of the memory that ingest may fill: past this share the past is shortened.
PRESSED = 0.9
_STEP = 0.1

Place = tuple[int, int]


def trim(client: redis.Redis, sources: list[str], groups: list[str], shards: int, oldest_ms: int) -> int:
    """Drop settled events received before `oldest_ms` (Unix ms); how many."""
    return sum(
        _trim_stream(client, shard, source, groups, oldest_ms, exact=False)
        for source in sources
        for shard in range(shards)
    )


def relieve(client: redis.Redis, sources: list[str], groups: list[str], shards: int, max_memory_percent: float) -> int:
    """Shorten the past when memory presses; how many events were dropped."""
    server: Any = client
    memory = server.info("memory")
    limit = int(memory.get("maxmemory", 0)) * max_memory_percent / 100
    if not limit or int(memory["used_memory"]) < limit * PRESSED:
        return 0
    now_ms = time.time_ns() // 1_000_000
    oldest_ms = since_ms(client, sources, shards) or now_ms
    cut_ms = oldest_ms + max(1, int((now_ms - oldest_ms) * _STEP))
    dropped = sum(
        _trim_stream(client, shard, source, groups, cut_ms, exact=True) for source in sources for shard in range(shards)
    )
    if dropped:
        log.warning("trimmed_early entries=%d past_s=%d", dropped, (now_ms - cut_ms) // 1000)
    return dropped


def since_ms(client: redis.Redis, sources: list[str], shards: int) -> int | None:
    """When the oldest event that is kept was received (Unix ms); None: none is kept."""
    pipe = client.pipeline(transaction=False)
    for source in sources:
        for shard in range(shards):
            pipe.xrange(shard_key(shard, "events", source), count=1)
    firsts = [order(rows[0][0])[0] for rows in pipe.execute() if rows]
    return min(firsts, default=None)


def _trim_stream(
    client: redis.Redis, shard: int, source: str, groups: list[str], oldest_ms: int, *, exact: bool
) -> int:
    server: Any = client
    key = shard_key(shard, "events", source)
    if not server.exists(key):
        return 0
    found = server.xinfo_groups(key)
    limit: Place = min([(oldest_ms, 0), *(order(group["last-delivered-id"]) for group in found)])
    dropped = int(server.xtrim(key, minid=f"{limit[0]}-{limit[1]}", approximate=not exact))
    first = server.xrange(key, count=1)
    # nothing is settled before it is received: older records speak of events that are gone
    gone_ms = order(first[0][0])[0] if first else limit[0]
    pipe = server.pipeline(transaction=False)
    for name in {*groups, *(group["name"].decode() for group in found)}:
        pipe.xtrim(shard_key(shard, "trail", name), minid=gone_ms, approximate=True)
        pipe.zremrangebyscore(shard_key(shard, "changes", name), "-inf", f"({gone_ms}")
    pipe.zremrangebyscore(shard_key(shard, "forgotten", source), "-inf", f"({gone_ms}")
    pipe.execute()
    return dropped
