"""Redis's clock: the one by which all hosts agree."""

from typing import Any

import redis


def server_ms(client: redis.Redis) -> int:
    """Now by Redis's clock, Unix milliseconds. Entries have its times: by a host's clock that is ahead all were old."""
    server: Any = client
    seconds, micros = server.time()
    return int(seconds) * 1000 + int(micros) // 1000
