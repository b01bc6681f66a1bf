"""Who writes the archive just now, and how it fares: in Redis, so that one process writes and every one can tell."""

import time
from typing import Any

import msgspec
import redis

from worker.store.keys import ARCHIVE, ARCHIVE_LEASE
from worker.store.scripts import script


class ArchiveState(msgspec.Struct, frozen=True):
    """Files and events written so far; since when it fails (Unix ms, 0: it does not), and why."""

    files: int = 0
    events: int = 0
    written_ms: int = 0
    failing_since_ms: int = 0
    reason: str = ""

    @property
    def message(self) -> str:
        """What an operator must know; empty when all is well."""
        if not self.failing_since_ms:
            return ""
        return (
            f"the archive does not take what is to be trimmed: {self.reason}; events are delivered, and nothing is "
            "trimmed until it does: make room, or correct RELAY_ARCHIVE_URL"
        )


class ArchiveRecord:
    """The record of one archive, and its lease."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._claim = client.register_script(script("archive_claim"))

    def claim(self, token: str, life_ms: int) -> bool:
        """Take the lease, or prolong it; False: another process writes."""
        return bool(self._claim(keys=[ARCHIVE_LEASE], args=[token, life_ms]))

    def release(self, token: str) -> None:
        """Let the lease go, if it is ours."""
        self._claim(keys=[ARCHIVE_LEASE], args=[token, 0])

    def read(self) -> ArchiveState:
        """How it fares."""
        found = {name.decode(): value for name, value in self._redis.hgetall(ARCHIVE).items()}
        numbers = {name: int(found.get(name, 0)) for name in ("files", "events", "written_ms", "failing_since_ms")}
        return ArchiveState(**numbers, reason=found.get("reason", b"").decode())

    def wrote(self, events: int) -> None:
        """A file is written and read back."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hdel(ARCHIVE, "failing_since_ms", "reason")
        pipe.hincrby(ARCHIVE, "files", 1)
        pipe.hincrby(ARCHIVE, "events", events)
        pipe.hset(ARCHIVE, "written_ms", time.time_ns() // 1_000_000)
        pipe.execute(raise_on_error=False)  # with a full memory the figures wait; to trim must not

    def failed(self, reason: str) -> None:
        """A file could not be written."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hsetnx(ARCHIVE, "failing_since_ms", time.time_ns() // 1_000_000)
        pipe.hset(ARCHIVE, "reason", reason)
        pipe.execute(raise_on_error=False)
