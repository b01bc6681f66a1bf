"""Turns at periodic work, taken in Redis: however many processes ask for it, it is done as often as it should be."""

from typing import Any

import redis

from worker.store.keys import TURNS
from worker.store.scripts import script


class Turns:
    """When each turn was taken last, by Redis's clock."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._take = client.register_script(script("turn"))

    def take(self, name: str, gap_s: float, silent: str = "", silence_s: float = 0.0) -> bool:
        """Take a turn, if the last one is `gap_s` ago, and that of `silent` at least `silence_s`."""
        return bool(self._take(keys=[TURNS], args=[name, int(gap_s * 1000), silent, int(silence_s * 1000)]))
