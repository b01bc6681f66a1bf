"""Memory of the server: how much it uses, and how much it may."""

from typing import Any, NamedTuple

import redis
from redis.exceptions import NoPermissionError

from worker.store.cluster import nodes_of


class Memory(NamedTuple):
    """Bytes in use, and `maxmemory`; 0 when there is no limit, or when the server does not tell this user."""

    used_bytes: int
    most_bytes: int


def read_memory(client: redis.Redis) -> Memory:
    """The memory of a server, or of the fullest node of a cluster.

    A user without the right to INFO learns nothing of it, and goes on without.
    """
    found = []
    for server in nodes_of(client):
        try:
            info: Any = server.info("memory")
        except NoPermissionError:
            return Memory(0, 0)
        found.append(Memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))))
    return max(found, key=lambda one: (one.used_bytes / one.most_bytes if one.most_bytes else 0, one.used_bytes))
