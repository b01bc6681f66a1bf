"""Counters that belong to no shard, such as requests to Customer.io: in Redis, so that no restart loses them."""

from collections.abc import Mapping
from typing import Any

import redis

from worker.store.keys import COUNTERS


class Counters:
    """The counters: one hash, whose fields are their names."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def add(self, counts: Mapping[str, int]) -> None:
        """Add to several, in one round trip."""
        if not counts:
            return
        pipe = self._redis.pipeline(transaction=False)
        for name, count in counts.items():
            pipe.hincrby(COUNTERS, name, count)
        pipe.execute()

    def read(self) -> dict[str, int]:
        """All of them."""
        return {name.decode(): int(count) for name, count in self._redis.hgetall(COUNTERS).items()}
