"""Headroom: how near the bounds are, dead letters of each integration and Redis's memory.

What is near is said, never met by dropping anything. A hold for too many dead letters ends here, once there is room.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import redis

from worker.dead.bound import NEAR, relieved
from worker.process.eventlog import EventLog
from worker.store.holds import Holds
from worker.store.memory import read_memory

log = EventLog(__name__)

_QUIET_S = 300


class Bound(msgspec.Struct, frozen=True):
    """One bound: on what ("dead letters" of an integration, or "memory"), how much there is, and how much may be."""

    what: str
    integration: str
    now: int
    limit: int

    @property
    def near(self) -> bool:
        """Whether somebody should act soon."""
        return self.now >= self.limit * NEAR

    @property
    def message(self) -> str:
        """The state of it and what to do, as one line."""
        share = f"{self.now:,} of {self.limit:,} ({self.now * 100 // self.limit} %)"
        if self.what == "memory":
            return (
                f"Redis uses {share} bytes of the memory that ingest may fill; then it answers 503: see docs/runbook.md"
            )
        return (
            f"{self.integration} has {share} dead letters; at the bound (RELAY_DEAD_LIMIT) it is held: work them off "
            f"with `relay dead --integration {self.integration}`"
        )


def bounds(client: redis.Redis, dead: Mapping[str, int], dead_limit: int, max_memory_percent: float) -> list[Bound]:
    """Every bound there is; `dead` are the dead letters of each integration. Without `maxmemory` memory has none."""
    found = [Bound("dead letters", name, total, dead_limit) for name, total in dead.items()]
    used, limit = read_memory(client)
    if most := int(limit * max_memory_percent / 100):
        found.append(Bound("memory", "", used, most))
    return found


def near(found: Iterable[Bound]) -> list[Bound]:
    """The bounds that somebody should look at."""
    return [bound for bound in found if bound.near]


def watch(client: redis.Redis, holds: Holds, found: Sequence[Bound]) -> None:
    """Log what is near, now and then, and resume the integrations that have room for dead letters again."""
    for bound in near(found):
        if client.set(f"relay:warned:{bound.what}:{bound.integration}", "1", nx=True, ex=_QUIET_S):
            log.warning(
                "bound_near",
                what=bound.what.replace(" ", "_"),
                integration=bound.integration,
                now=bound.now,
                limit=bound.limit,
            )
    held = holds.get(bound.integration for bound in found if bound.integration)
    for bound in found:
        hold = held.get(bound.integration)
        if hold is not None and hold.kind == "dead_limit" and relieved(bound.now, bound.limit):
            holds.resume(bound.integration)
            log.info("integration_resumed", integration=bound.integration, dead=bound.now)
