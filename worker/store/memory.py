"""Memory of the server: how much it uses, and how much it may."""

from typing import Any, NamedTuple

import redis
from redis.exceptions import NoPermissionError


class Memory(NamedTuple):
    """Bytes in use, and `maxmemory`; 0 when there is no limit, or when the server does not tell this user."""

    used_bytes: int
    most_bytes: int


def read_memory(client: redis.Redis) -> Memory:
    """The memory of a server; a user without the right to INFO learns nothing of it, and goes on without."""
    try:
        info: Any = client.info("memory")
    except NoPermissionError:
        return Memory(0, 0)
    return Memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)))
