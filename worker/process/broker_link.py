"""Connections to a broker on Redis: a server that takes no writes just now counts as away, and is tried again.

To kombu a refusal is a mistake of the caller's, and ends the worker; while a fail-over is under way, it ends by itself.
"""

from typing import Any

import redis
from redis.exceptions import AskError, ClusterDownError, MasterDownError, ReadOnlyError, ResponseError, TryAgainError

from worker.process.former import LedConnection, LedSecureConnection

# Nothing has this name: to remove it is a write that changes nothing.
_NOTHING = "relay:nothing"


_DEMOTED = (ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError, AskError)  # a MOVED is an AskError
# It has lost its replicas; it cannot write to its disk; a script does not end.
_CODES = frozenset({"NOREPLICAS", "MISCONF", "BUSY"})


def is_demoted(refusal: ResponseError) -> bool:
    """Whether a server refuses whatever is written just now: it says nothing of the command, nor of an event."""
    return isinstance(refusal, _DEMOTED) or word_of(refusal) in _CODES


def word_of(refusal: BaseException) -> str:
    """The word that a server's refusal begins with; in a pipeline redis-py puts the command before it."""
    return str(refusal).rpartition(" of pipeline caused error: ")[2].partition(" ")[0]


class _Writable:
    """Of a connection: what it says of writes is found when it is opened, and is a lost connection later."""

    def on_connect_check_health(self, check_health: bool = True) -> None:
        """Open it, and see that the server takes writes: else whoever connects waits, longer each time."""
        link: Any = super()
        link.on_connect_check_health(check_health)
        itself: Any = self
        itself.send_command("DEL", _NOTHING)
        itself.read_response()

    def read_response(self, *args: Any, **options: Any) -> Any:
        """The next reply."""
        link: Any = super()
        try:
            return link.read_response(*args, **options)
        except ResponseError as refusal:
            if not is_demoted(refusal):
                raise
            itself: Any = self
            itself.disconnect()
            raise redis.ConnectionError("the server takes no writes just now") from refusal


class Link(_Writable, redis.Connection):
    """A connection without TLS."""


class SecureLink(_Writable, redis.SSLConnection):
    """A connection with TLS."""


class SentinelLink(_Writable, LedConnection):
    """The same to a primary that Sentinels name."""


class SecureSentinelLink(_Writable, LedSecureConnection):
    """The same with TLS."""
