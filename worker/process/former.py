"""Connections to a primary that Sentinels have replaced: ended, since a server that hangs closes none by itself.

Who waits for an answer of such a server, or for a message from it, would learn of the new one when a timeout is over.
"""

import os
import socket
import threading
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import redis
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from worker.process.eventlog import EventLog

log = EventLog(__name__)


class _Opened:
    """The connections of this process that Sentinels led to their server."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget them: after a fork they are the parent's."""
        self._lock = threading.RLock()
        self._links: WeakSet[Any] = WeakSet()

    def add(self, link: object) -> None:
        """Another one, or one that is opened again."""
        with self._lock:
            self._links.add(link)

    def all(self) -> list[Any]:
        """Those that are there."""
        with self._lock:
            return list(self._links)


_OPENED = _Opened()
os.register_at_fork(after_in_child=_OPENED.clear)


class Led:
    """Of a connection: it is known from when it is opened, so that it can be ended."""

    def connect_to(self, address: tuple[str, int]) -> None:
        """Open it to this server."""
        _OPENED.add(self)
        link: Any = super()
        link.connect_to(address)

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command; a connection that was lost is opened to the primary of now (redis-py 8.1: of then)."""
        itself: Any = self
        link: Any = super()
        if not itself._sock:  # noqa: SLF001 - it is of this class
            link.connect()
        link.send_packed_command(command, check_health)


class LedConnection(Led, SentinelManagedConnection):
    """A connection to the primary that Sentinels name."""


class LedSecureConnection(Led, SentinelManagedSSLConnection):
    """The same with TLS."""


class Leaver:
    """Ends connections to former primaries.

    At the second look that finds them so: Sentinels that disagree for a moment turn nobody away.
    """

    def __init__(self) -> None:
        self._before: WeakSet[socket.socket] = WeakSet()
        self._ended: WeakSet[socket.socket] = WeakSet()  # nobody has used them since

    def look(self) -> None:
        """One look at all connections of this process."""
        named: dict[object, tuple[str, int] | None] = {}
        former: WeakSet[socket.socket] = WeakSet()
        for link in _OPENED.all():
            pool, opened = link.connection_pool, link._sock  # noqa: SLF001 - no other way
            if opened is None or opened in self._ended:
                continue
            # The Sentinel that this one asks first when it is opened again: another might say otherwise, for ever.
            key = (pool.service_name, _address(pool.sentinel_manager.sentinels[0]))
            if key not in named:
                named[key] = _primary(pool)
            if named[key] not in {None, (link.host, link.port)}:
                former.add(opened)
        ended = [one for one in former if one in self._before]
        self._before = former
        for one in ended:
            _end(one)
            self._ended.add(one)
        if ended:
            log.warning("former_primary_left", connections=len(ended))


def _address(sentinel: redis.Redis) -> tuple[object, object]:
    chosen = sentinel.get_connection_kwargs()
    return chosen.get("host"), chosen.get("port")


def _primary(pool: Any) -> tuple[str, int] | None:
    """The primary of a pool, as its Sentinels name it; None: they name none just now."""
    try:
        found: tuple[str, int] = pool.sentinel_manager.discover_master(pool.service_name)
    except (redis.RedisError, OSError):
        return None
    return found


def _end(link: socket.socket) -> None:
    """Have whoever reads from it, or writes to it, find it closed; TLS says no farewell, which would wait too."""
    with suppress(OSError):
        socket.socket.shutdown(link, socket.SHUT_RDWR)
