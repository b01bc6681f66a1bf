"""The sweep: which lanes to wake, which holds to probe, which to end."""

import random
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import redis

from config.integrations import Integrations
from worker.process.eventlog import EventLog
from worker.store.groups import is_missing
from worker.store.holds import Hold, Holds
from worker.store.keys import shard_key
from worker.store.lane import Lane, lanes_of
from worker.store.layout import Layout, closed_lanes
from worker.store.stream import WAKE_MS, Streams

log = EventLog(__name__)


class Backlog(msgspec.Struct, frozen=True):
    """A lane: how many events wait (-1: Redis cannot say), whether it is leased, woken lately (-1: not), held."""

    lane: Lane
    waiting: int
    leased: bool
    woken_ms_ago: int
    held: bool


class Sweep:
    """Finds the lanes to wake; `join` makes the groups where a server was emptied.

    `every_s` is how often it runs, `claim_ms` how long a probe that it sends keeps others from being sent. While shards
    grow, by their `layout`, lanes that are closed are left alone.
    """

    def __init__(
        self,
        client: redis.Redis,
        streams: Streams,
        holds: Holds,
        config: Integrations,
        shards: int,
        join: Callable[[], None],
        every_s: float,
        claim_ms: int,
        layout: Layout | None = None,
    ) -> None:
        self._redis = client
        self._streams = streams
        self._holds = holds
        self._config = config
        self._lanes = lanes_of(config, shards)
        self._join = join
        self._every_s = every_s
        self._claim_ms = claim_ms
        self._layout = layout

    def wakes(self) -> list[tuple[Lane, bool]]:
        """The lanes to wake now, each with whether it is a probe of a held integration."""
        everything = self.backlogs()
        holds = self._holds.get({backlog.lane.integration for backlog in everything})
        self._mark_again(everything, holds)
        found = [backlog for backlog in everything if backlog.waiting]
        if self._layout is not None and self._layout.moving:
            new = [backlog.lane for backlog in found if backlog.lane.shard in self._layout.children]
            closed = set(closed_lanes(self._redis, new))
            found = [backlog for backlog in found if backlog.lane not in closed]
        # A hold must not depend on one lane, whose first event may be what the destination fails at; nor do the first
        # lanes take precedence.
        random.shuffle(found)
        woken_lately_ms = int(self._every_s * 2000)
        wakes: list[tuple[Lane, bool]] = []
        probed: set[str] = set()
        for backlog in found:
            lane = backlog.lane
            hold = holds.get(lane.integration)
            if (hold is not None or backlog.held) and not self._ended(lane, hold):
                if lane.integration not in probed and not backlog.leased:
                    probed.add(lane.integration)
                    if self._holds.claim_probe(lane.integration, time.time_ns() // 1_000_000, self._claim_ms):
                        wakes.append((lane, True))
            elif not backlog.leased and not 0 <= backlog.woken_ms_ago < woken_lately_ms:
                wakes.append((lane, False))
        self._streams.mark_woken([lane for lane, probe in wakes if not probe])
        return wakes

    def _mark_again(self, found: Sequence[Backlog], holds: Mapping[str, Hold]) -> None:
        """Mark the lanes of held integrations whose marks a server lost in a fail-over."""
        lost = [one.lane for one in found if not one.held and one.lane.integration in holds]
        self._holds.mark((lane.integration, lane.shard) for lane in lost)

    def _ended(self, lane: Lane, hold: Hold | None) -> bool:
        """Whether the hold of a lane is over, or its record gone; then the lane is as any other."""
        if hold is None:
            # The record is gone but this shard's mark is not: a resume was cut short.
            self._redis.delete(lane.key("hold"))
            return True
        if not self._is_over(lane.integration, hold):
            return False
        if self._holds.resume(lane.integration):
            log.info("integration_resumed", integration=lane.integration, why="another_key_or_address")
        return True

    def backlogs(self) -> list[Backlog]:
        """The state of every lane; groups that are missing are made, and found at the next look."""
        found, is_whole = read_backlogs(self._redis, self._lanes)
        if not is_whole:
            self._join()
        return found

    def _is_over(self, integration: str, hold: Hold) -> bool:
        """Whether the key or the address that an integration is held for was replaced."""
        known = self._config.integrations.get(integration)
        return known is not None and not known.unresolved and hold.is_over(known.fingerprint)


def read_backlogs(client: redis.Redis, lanes: Sequence[Lane]) -> tuple[list[Backlog], bool]:
    """The state of lanes, in one round trip; and whether every lane has its group."""
    streams = list(dict.fromkeys((lane.source, lane.shard) for lane in lanes))
    pipe = client.pipeline(transaction=False)
    for source, shard in streams:
        pipe.xinfo_groups(shard_key(shard, "events", source))
    for lane in lanes:
        pipe.exists(lane.key("lease"))
        pipe.pttl(lane.key("wake"))
        pipe.exists(lane.key("hold"))
    replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, redis.RedisError) and not is_missing(reply):
            raise reply
    groups = {
        stream: {group["name"].decode(): group for group in reply} if isinstance(reply, list) else {}
        for stream, reply in zip(streams, replies, strict=False)
    }
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
    return states, len(states) == len(lanes)
