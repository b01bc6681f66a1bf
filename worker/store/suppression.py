"""Suppression list: people who are sent nothing, because on-call or they themselves asked for it."""

import time
from typing import Any

import redis

from worker.purchasely.person import plain_name
from worker.store.keys import SUPPRESSED, SUPPRESSED_VERSION


class Suppressed:
    """The list of suppressed people; each worker process keeps a copy and looks whether it changed."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        # together, since threads that read beside each other must not pair one's list with another's version
        self._known: tuple[bytes | None, frozenset[str]] = (None, frozenset())

    def people(self) -> frozenset[str]:
        """The suppressed, as `person_names` gives them; reads the list only when its version in Redis changed."""
        version = self._redis.get(SUPPRESSED_VERSION)
        known = self._known
        if version != known[0]:
            known = self._known = version, frozenset(name.decode() for name in self._redis.hkeys(SUPPRESSED))
        return known[1]

    def add(self, person: str) -> bool:
        """Suppress a person; False when they were already."""
        new = self._redis.hsetnx(SUPPRESSED, plain_name(person), str(time.time_ns() // 1_000_000))
        self._redis.incr(SUPPRESSED_VERSION)
        return bool(new)

    def remove(self, person: str) -> bool:
        """End a person's suppression; False when they were not suppressed."""
        known = self._redis.hdel(SUPPRESSED, plain_name(person))
        self._redis.incr(SUPPRESSED_VERSION)
        return bool(known)

    def list(self) -> dict[str, int]:
        """Everybody suppressed, each with since when (Unix ms)."""
        return {name.decode(): int(since) for name, since in sorted(self._redis.hgetall(SUPPRESSED).items())}
