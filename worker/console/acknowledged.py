"""What people said of a group of failures: acknowledged or ignored, until more of it come."""

from typing import Any, Literal, cast, get_args

import msgspec
import redis

from worker.dead.groups import Key
from worker.store.keys import CONSOLE_FAILURES

Mark = Literal["acknowledged", "ignored"]
MARKS = get_args(Mark)


class Said(msgspec.Struct, frozen=True):
    """Who said so, when (Unix ms), and how many failures there were."""

    mark: Mark
    by: str
    at_ms: int
    count: int


_DECODER = msgspec.json.Decoder(Said)


class Acknowledged:
    """The marks in Redis: one hash, a field a group."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def all(self) -> dict[Key, Said]:
        """Every mark, by what its group is."""
        found: dict[Key, Said] = {}
        for field, raw in self._redis.hgetall(CONSOLE_FAILURES).items():
            try:
                found[cast("Key", tuple(msgspec.json.decode(field)))] = _DECODER.decode(raw)
            except msgspec.DecodeError:
                continue
        return found

    def mark(self, key: Key, said: Said | None) -> None:
        """Mark a group, or open it again."""
        field = msgspec.json.encode(key)
        if said is None:
            self._redis.hdel(CONSOLE_FAILURES, field)
        else:
            self._redis.hset(CONSOLE_FAILURES, field, msgspec.json.encode(said))
