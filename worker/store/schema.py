"""Version of what is stored in Redis: written at the first join, compared by every process and command.

It grows with every change of a stored format that an earlier release would misread; tests/unit/store/test_schema.py
keeps a sample of each format.
"""

import redis

from worker.errors import OperatorError
from worker.store.keys import SCHEMA, SHARDS

VERSION = 1


def check_store(client: redis.Redis, shards: int) -> bool:
    """Whether this Redis was joined before; what it holds was then written with these settings, for this release.

    Raises:
        OperatorError: a newer release wrote it, or the events are spread over another number of shards.
    """
    schema, spread = client.get(SCHEMA), client.get(SHARDS)
    if schema is not None:
        check_schema(schema)
    if spread is not None:
        check_shards(spread, shards)
    return spread is not None


def note_schema(client: redis.Redis) -> None:
    """Write the version down, if this Redis has none or an older one."""
    schema = client.get(SCHEMA)
    if schema is None or read_number(schema) < VERSION:
        client.set(SCHEMA, VERSION)


def check_schema(stored: object) -> None:
    """Compare the version with the stored one.

    Raises:
        OperatorError: the stored one is newer, or no number.
    """
    if read_number(stored) > VERSION:
        raise OperatorError(
            f"this Redis was written by a newer release (schema {shown(stored)}; this one reads up to {VERSION}): "
            "upgrade this process, or use another Redis"
        )


def check_shards(stored: object, shards: int) -> None:
    """Compare the number of shards with the stored one.

    Raises:
        OperatorError: they differ.
    """
    if read_number(stored) != shards:
        number = shown(stored)
        raise OperatorError(
            f"RELAY_SHARDS is {shards}, but this Redis holds events spread over {number} shards: "
            f"set RELAY_SHARDS={number}, or use an empty Redis"
        )


def read_number(stored: object) -> int:
    """The number that is stored; what is no number counts as of a release that nobody knows yet."""
    text = stored.decode(errors="replace") if isinstance(stored, bytes) else str(stored)
    return int(text) if text.isascii() and text.isdigit() else 1 << 62


def shown(stored: object) -> str:
    """The stored number, for a message."""
    return stored.decode(errors="replace")[:20] if isinstance(stored, bytes) else str(stored)[:20]
