"""The bound on dead letters: how near it is, and whether it is reached."""

import time
from typing import Any

import redis

from worker.store.keys import shard_key

NEAR = 0.8
# A hold for too many dead letters ends when this share of the bound is free again.
RELIEF = 0.05

_LOOK_S = 1.0


class DeadBound:
    """The bound of one integration, as a worker that buries checks it.

    A check sums up all shards, so there is one a second, and sooner the nearer the bound is: after this process alone
    has used a twentieth of the room that was left.
    """

    def __init__(self, client: redis.Redis, shards: int, integration: str, limit: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._keys = [shard_key(shard, "dead", integration) for shard in range(shards)]
        self._limit = limit
        self._looked_s = float("-inf")
        self._room = 0
        self._buried = 0

    def reached(self, buried: int) -> bool:
        """Whether the bound is reached, after so many further burials."""
        self._buried += buried
        if time.monotonic() - self._looked_s < _LOOK_S and self._buried * 20 < self._room:
            return False
        pipe = self._redis.pipeline(transaction=False)
        for key in self._keys:
            pipe.hlen(key)
        self._room = self._limit - sum(pipe.execute())
        self._looked_s = time.monotonic()
        self._buried = 0
        return self._room <= 0


def relieved(total: int, limit: int) -> bool:
    """Whether a hold for too many dead letters may end.

    >>> relieved(1_000_000, 1_000_000), relieved(950_000, 1_000_000), relieved(4, 5)
    (False, True, True)
    """
    return total <= limit - max(1, int(limit * RELIEF))
