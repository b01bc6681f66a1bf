"""Refused requests of senders, by source and status: counted in each web process, kept in Redis for an hour."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import redis

from worker.process.counts import Counts
from worker.store.keys import refused_key

_SLOT_S: Final = 600
_SLOTS: Final = 6
_LIFE_S: Final = _SLOT_S * (_SLOTS + 1)


class Refused(msgspec.Struct, frozen=True):
    """How many requests for a source (empty: for one that is not configured) got a status within the hour."""

    source: str
    status: int
    requests: int


class RefusalCounts(Counts[tuple[str, int]]):
    """What one process refused since its pulse last handed it on, by source and status."""

    def add(self, source: str, status: int) -> None:
        """Count one request."""
        self.give({(source, status): 1})


REFUSALS = RefusalCounts()


class Refusals:
    """The counts of all processes, in a hash for each ten minutes."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def add(self, counts: Mapping[tuple[str, int], int], now_s: float | None = None) -> None:
        """Add to several, in one round trip."""
        if not counts:
            return
        key = refused_key(_slot(now_s))
        pipe = self._redis.pipeline(transaction=False)
        for (source, status), count in counts.items():
            pipe.hincrby(key, f"{status}|{source}", count)
        pipe.expire(key, _LIFE_S)
        pipe.execute()

    def of_last_hour(self, now_s: float | None = None) -> list[Refused]:
        """What was refused within the hour, the most frequent first."""
        slot = _slot(now_s)
        pipe = self._redis.pipeline(transaction=False)
        for past in range(_SLOTS):
            pipe.hgetall(refused_key(slot - past))
        found: Counter[tuple[str, int]] = Counter()
        for counts in pipe.execute():
            for field, count in counts.items():
                status, _, source = field.decode().partition("|")
                found[source, int(status)] += int(count)
        return [Refused(source, status, count) for (source, status), count in found.most_common()]


def _slot(now_s: float | None) -> int:
    return int((time.time() if now_s is None else now_s) // _SLOT_S)
