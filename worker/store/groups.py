"""Groups of the event streams: how far each integration is on a stream."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import redis

from worker.store.entry_id import order
from worker.store.trail import Place


def read_cursors(client: redis.Redis, stream: str) -> dict[str, Place]:
    """The last entry that each group of a stream is past; nothing where there is no stream."""
    server: Any = client
    try:
        return cursors(server.xinfo_groups(stream))
    except redis.ResponseError as fault:
        if is_missing(fault):
            return {}
        raise


def cursors(groups: Iterable[Mapping[str, Any] | Sequence[Any]]) -> dict[str, Place]:
    """The same, of an answer to XINFO GROUPS: as redis-py reads it, or as it came."""
    return dict(map(_cursor, groups))


def is_missing(fault: redis.RedisError) -> bool:
    """Whether Redis says that a stream is not there."""
    return "no such key" in str(fault).lower()


def _cursor(group: Mapping[str, Any] | Sequence[Any]) -> tuple[str, Place]:
    """One group's name, and the last entry that it is past.

    >>> _cursor([b"name", b"production", b"pending", 0, b"last-delivered-id", b"9-1"])
    ('production', (9, 1))
    >>> _cursor({"name": b"production", "pending": 0, "last-delivered-id": b"9-1"})
    ('production', (9, 1))
    """
    if isinstance(group, Mapping):
        return group["name"].decode(), order(group["last-delivered-id"])
    fields = dict(zip(group[::2], group[1::2], strict=True))
    return fields[b"name"].decode(), order(fields[b"last-delivered-id"])
