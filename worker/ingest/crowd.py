"""Bounds over all connections of a web process together: how many, and the bytes of requests that are not whole yet."""

import resource
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from worker.ingest.problems import RETRY_AFTER_S
from worker.process.eventlog import RareLog

# A connection costs some 15 kB while nothing happens on it.
CONNECTIONS_MOST = 10_000
# Reserved for Redis, the broker and files: connections must not use up the descriptors that storing needs.
SPARE_DESCRIPTORS = 64
# Anybody can fill it: a webhook's signature is checked only when its body is complete.
HELD_MOST_BYTES = 64 * 1024 * 1024
_LOG_EVERY_S = 10.0


class Unfinished(Protocol):
    """A connection with part of a request: how many bytes, since when."""

    # ruff: noqa: D102
    held_bytes: int

    @property
    def begun_s(self) -> float | None: ...

    def refuse(self, status: int, title: str, retry_after_s: int = 0) -> None: ...


class Crowd:
    """All connections of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.held_bytes = 0
        self._clock = clock
        self._most: int | None = None
        self._log = RareLog(__name__, _LOG_EVERY_S, clock)

    def most(self) -> int:
        """How many connections are served at a time."""
        if self._most is None:
            self._most = max(1, min(CONNECTIONS_MOST, raise_descriptor_limit() - SPARE_DESCRIPTORS))
        return self._most

    def turn_away(self, one: Unfinished) -> None:
        """Refuse a connection beyond the most, and say so."""
        why = "raise the descriptor limit, or run more web processes"
        self._log.warning("connections_refused", most=self.most(), message=why)
        one.refuse(503, "Too many connections", RETRY_AFTER_S)

    def hold(self, one: Unfinished, size: int, others: Iterable[Any]) -> None:
        """Note more bytes of a request that is not whole; beyond the most, the oldest such requests are refused.

        Requests of honest senders are complete within moments.
        """
        one.held_bytes += size
        self.held_bytes += size
        if self.held_bytes <= HELD_MOST_BYTES:
            return
        waiting = [other for other in others if getattr(other, "held_bytes", 0)]
        for other in sorted(waiting, key=lambda other: other.begun_s or 0.0):
            if self.held_bytes <= HELD_MOST_BYTES * 3 // 4:
                break
            self.let_go(other)
            why = "unfinished requests fill the memory set aside for them"
            self._log.warning("requests_refused", message=why)
            other.refuse(503, "Too many unfinished requests", RETRY_AFTER_S)

    def let_go(self, one: Unfinished) -> None:
        """The request is whole, or given up."""
        self.held_bytes -= one.held_bytes
        one.held_bytes = 0

    def stalled(self) -> None:
        """Log that a connection whose peer does not read was dropped."""
        self._log.warning("connections_dropped", message="answers were not read")


def raise_descriptor_limit() -> int:
    """Raise this process's limit of open files as far as it may; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS_MOST + SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


CROWD = Crowd()
