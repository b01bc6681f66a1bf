"""Retention: settled events leave the streams when they are old, or earlier when memory presses.

Only what every group of a stream is past may go, whether this process knows the group's integration or not: a host with
an older configuration must not drop what waits for a newer one. The trail goes with its events. When Redis nears the
memory that ingest may fill, the oldest tenth of the past goes at each look, rather than the next event be refused.
Where there is an archive, nothing goes that it does not have, and what goes by age goes by whole hours.
"""

from collections.abc import Mapping
from typing import Any

import redis

from worker.process.eventlog import EventLog
from worker.store.archive import HOUR_MS, Archive
from worker.store.clock import server_ms
from worker.store.entry_id import order
from worker.store.groups import cursors, read_cursors
from worker.store.keys import shard_key
from worker.store.memory import read_memory
from worker.store.scripts import Call, call_all
from worker.store.trail import Place
from worker.upkeep.archive import Archiving

log = EventLog(__name__)

# Of the memory that ingest may fill: past this share the past is shortened.
PRESSED = 0.9
_STEP = 0.1


def trim(
    client: redis.Redis,
    sources: list[str],
    groups: list[str],
    shards: int,
    oldest_ms: int,
    archive: Archive | None = None,
) -> int:
    """Drop settled events received before `oldest_ms` (Unix ms); how many."""
    if archive is not None:
        return _move(client, archive, sources, groups, shards, oldest_ms // HOUR_MS * HOUR_MS)
    return _trim_all(client, sources, groups, shards, oldest_ms, exact=False)


def relieve(
    client: redis.Redis,
    sources: list[str],
    groups: list[str],
    shards: int,
    max_memory_percent: float,
    archive: Archive | None = None,
) -> int:
    """Shorten the past when memory presses; how many events were dropped."""
    used, most = read_memory(client)
    limit = most * max_memory_percent / 100
    if not limit or used < limit * PRESSED:
        return 0
    now_ms = server_ms(client)
    oldest_ms = _oldest_settled_ms(client, sources, shards) or now_ms
    cut_ms = oldest_ms + max(1, int((now_ms - oldest_ms) * _STEP))
    if archive is not None:
        dropped = _move(client, archive, sources, groups, shards, cut_ms)
    else:
        dropped = _trim_all(client, sources, groups, shards, cut_ms, exact=True)
    if dropped:
        log.warning("trimmed_early", entries=dropped, past_s=(now_ms - cut_ms) // 1000)
    return dropped


def _oldest_settled_ms(client: redis.Redis, sources: list[str], shards: int) -> int | None:
    """When the oldest event that may go was received (Unix ms); what waits in another stream must not keep it."""
    pipe: Any = client.pipeline(transaction=False)
    for source in sources:
        for shard in range(shards):
            pipe.xrange(shard_key(shard, "events", source), count=1)
            pipe.xinfo_groups(shard_key(shard, "events", source))
    replies = pipe.execute(raise_on_error=False)  # without a stream there are no groups
    found = []
    for rows, groups in zip(replies[::2], replies[1::2], strict=True):
        for one in (rows, groups) if rows else (rows,):
            if isinstance(one, Exception):
                raise one
        if rows and (place := order(rows[0][0])) < _limit(cursors(groups), place[0] + 1):
            found.append(place[0])
    return min(found, default=None)


def _move(
    client: redis.Redis, archive: Archive, sources: list[str], groups: list[str], shards: int, oldest_ms: int
) -> int:
    """Archive settled events received before `oldest_ms` (Unix ms), and drop them then; how many."""
    archiving = Archiving(client, archive)
    dropped = 0
    with archiving.run() as is_ours:
        for source in sources if is_ours else ():
            for shard in range(shards):
                found = _groups_of(client, shard, source)
                limit = _limit(found, oldest_ms)
                for cut in archiving.cuts(source, shard, list(found), limit):
                    dropped += sum(call_all(client, "trim", [_cut(shard, source, groups, cut, exact=True)]))
    return dropped


def _trim_all(
    client: redis.Redis, sources: list[str], groups: list[str], shards: int, oldest_ms: int, *, exact: bool
) -> int:
    """Drop the settled events of every stream that were received before `oldest_ms` (Unix ms); how many."""
    places = [(shard, source) for source in sources for shard in range(shards)]
    return sum(call_all(client, "trim", [_cut(*place, groups, (oldest_ms, 0), exact=exact) for place in places]))


def _groups_of(client: redis.Redis, shard: int, source: str) -> dict[str, Place]:
    """Every group of a stream, and the last entry that it is past."""
    return read_cursors(client, shard_key(shard, "events", source))


def _limit(found: Mapping[str, Place], oldest_ms: int) -> Place:
    """What is received before it may go: old enough, and every group is past it."""
    return min([(oldest_ms, 0), *found.values()])


def _cut(shard: int, source: str, groups: list[str], limit: Place, *, exact: bool) -> Call:
    """The call that drops a stream's settled entries below a limit, and what speaks of them."""
    keys = [shard_key(shard, kind, source) for kind in ("events", "forgotten")]
    starts = [shard_key(shard, kind, "") for kind in ("trail", "changes")]
    return keys, [f"{limit[0]}-{limit[1]}", "=" if exact else "~", *starts, *groups]
