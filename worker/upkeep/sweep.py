"""What keeps the streams in order while nobody looks: which lanes to wake, which holds to probe, what to trim."""

import logging
import random
import time

import msgspec
import redis

from worker.app import Relay
from worker.store.holds import Hold
from worker.store.keys import shard_key
from worker.store.stream import WAKE_MS, Lane
from worker.upkeep.retire import drop_empty, retire, sources
from worker.upkeep.trim import relieve as relieve_memory
from worker.upkeep.trim import trim as trim_streams

log = logging.getLogger(__name__)


class Backlog(msgspec.Struct, frozen=True):
    """A lane: how many events wait (-1: Redis cannot say), whether it is leased, woken lately (-1: not), held."""

    lane: Lane
    waiting: int
    leased: bool
    woken_ms_ago: int
    held: bool


def sweep(parts: Relay) -> list[tuple[Lane, bool]]:
    """The lanes to wake now, each with whether it is a probe of a held integration."""
    found = [backlog for backlog in backlogs(parts) if backlog.waiting]
    # A hold must not hang on one lane, whose first event may be what the destination cannot bear; nor are the first
    # lanes to have precedence.
    random.shuffle(found)
    holds = parts.holds.get({backlog.lane.integration for backlog in found if backlog.held})
    now_ms = time.time_ns() // 1_000_000
    woken_lately_ms = int(parts.settings.sweep_interval_s * 2000)
    claim_ms = int((parts.settings.request_timeout_s + parts.settings.lease_s + 5) * 1000)
    wakes: list[tuple[Lane, bool]] = []
    probed: set[str] = set()
    for backlog in found:
        lane = backlog.lane
        if backlog.held:
            if lane.integration not in holds:
                # The record is gone but this shard's mark is not: a resume was cut short.
                parts.redis.delete(lane.key("hold"))
            elif _is_over(parts, lane.integration, holds[lane.integration]):
                if parts.holds.resume(lane.integration):
                    log.info("integration_resumed integration=%s why=another_key_or_address", lane.integration)
            elif lane.integration not in probed and not backlog.leased:
                probed.add(lane.integration)
                if parts.holds.claim_probe(lane.integration, now_ms, claim_ms):
                    wakes.append((lane, True))
                continue
            else:
                continue
        if backlog.leased or 0 <= backlog.woken_ms_ago < woken_lately_ms:
            continue
        parts.streams.mark_woken(lane)
        wakes.append((lane, False))
    return wakes


def backlogs(parts: Relay) -> list[Backlog]:
    """The state of every lane, in two round trips."""
    lanes = parts.lanes()
    streams = list(dict.fromkeys((lane.source, lane.shard) for lane in lanes))
    pipe = parts.redis.pipeline(transaction=False)
    for source, shard in streams:
        pipe.xinfo_groups(shard_key(shard, "events", source))
    for lane in lanes:
        pipe.exists(lane.key("lease"))
        pipe.pttl(lane.key("wake"))
        pipe.exists(lane.key("hold"))
    replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, redis.RedisError) and not _is_missing(reply):
            raise reply
    groups = {
        stream: {group["name"].decode(): group for group in reply} if isinstance(reply, list) else {}
        for stream, reply in zip(streams, replies, strict=False)
    }
    if any(lane.integration not in groups[lane.source, lane.shard] for lane in lanes):
        parts.join()  # the server was emptied; the next look finds what was stored since
    states = []
    for index, lane in enumerate(lanes):
        leased, wake_ttl_ms, held = replies[len(streams) + index * 3 : len(streams) + index * 3 + 3]
        group = groups[lane.source, lane.shard].get(lane.integration)
        if group is None:
            continue
        lag = group["lag"]
        waiting = -1 if lag is None else int(lag)
        ago_ms = WAKE_MS - wake_ttl_ms if wake_ttl_ms > 0 else -1
        states.append(Backlog(lane, waiting, bool(leased), ago_ms, bool(held)))
    return states


def _is_over(parts: Relay, integration: str, hold: Hold) -> bool:
    """Whether the key or the address that an integration is held for was replaced."""
    known = parts.integrations.integrations.get(integration)
    return known is not None and not known.unresolved and hold.is_over(known.fingerprint)


def _is_missing(reply: redis.RedisError) -> bool:
    """Whether Redis says that a stream is not there."""
    return "no such key" in str(reply).lower()


def trim(parts: Relay) -> int:
    """Drop what every group is past and the retention no longer asks for; how many events."""
    retire(parts)
    oldest_ms = time.time_ns() // 1_000_000 - parts.settings.retention_s * 1000
    trimmed = trim_streams(parts.redis, sources(parts), parts.known_integrations(), parts.settings.shards, oldest_ms)
    drop_empty(parts)
    return trimmed


def relieve(parts: Relay) -> int:
    """Shorten the past when Redis's memory presses; how many events were dropped."""
    chosen = parts.settings
    groups = parts.known_integrations()
    return relieve_memory(parts.redis, sources(parts), groups, chosen.shards, chosen.max_memory_percent)
