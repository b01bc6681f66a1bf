"""Entries of the event streams: their ids and bytes, out of a script's reply or read as a range."""

from collections.abc import Sequence
from typing import Any

import redis

Entry = tuple[str, bytes]


def entries(rows: Sequence[Any]) -> list[Entry]:
    """Stream entries out of Redis's own reply to a script; a foreign entry without our field becomes empty bytes."""
    return [(row[0].decode(), row[1][1] if row[1][0] == b"b" else b"") for row in rows]


def read_range(
    client: redis.Redis, key: str, first: str = "-", last: str = "+", *, count: int | None = None, newest: bool = False
) -> list[Entry]:
    """Up to `count` entries of a stream, from `first` to `last` (`(ID`: without ID itself); `newest` ones first."""
    server: Any = client  # redis-py types every reply as a union of all that a command may answer
    rows = server.xrevrange(key, last, first, count) if newest else server.xrange(key, first, last, count)
    return [(entry_id.decode(), fields.get(b"b", b"")) for entry_id, fields in rows]
