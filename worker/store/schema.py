"""Version of what is stored in Redis: written at the first join, compared by every process and command.

It grows with every change of a stored format that an earlier release would misread; tests/unit/store/test_schema.py
keeps a sample of each format.
"""

import redis

from worker.errors import OperatorError
from worker.store.keys import SCHEMA

VERSION = 1
# Where the number of shards has grown (`layout`): whoever knows only VERSION would store past it.
GROWN = 2


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
    if read_number(stored) > GROWN:
        raise OperatorError(
            f"this Redis was written by a newer release (schema {shown(stored)}; this one reads up to {GROWN}): "
            "upgrade this process, or use another Redis"
        )


def read_number(stored: object) -> int:
    """The number that is stored; what is no number counts as of a release that nobody knows yet."""
    text = stored.decode(errors="replace") if isinstance(stored, bytes) else str(stored)
    return int(text) if text.isascii() and text.isdigit() else 1 << 62


def shown(stored: object) -> str:
    """The stored number, for a message."""
    return stored.decode(errors="replace")[:20] if isinstance(stored, bytes) else str(stored)[:20]
