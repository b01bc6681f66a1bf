"""Action log: when, who, what, on what, why, and with which result; never a payload or a key."""

import hashlib
from typing import Any

import msgspec
import redis

from worker.store.keys import ACTIONS
from worker.store.scripts import call_all

_KEPT = 10_000
_LIMIT = 300


class Action(msgspec.Struct, frozen=True):
    """One thing that somebody did with a command or the console."""

    at_ms: int
    by: str
    what: str
    on: str
    why: str = ""
    result: str = ""


_DECODER = msgspec.json.Decoder(Action)


class Actions:
    """The record of actions in Redis: the newest 10,000."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def add(self, action: Action) -> None:
        """Record what is about to be done: where Redis refuses that, it refuses what follows."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.lpush(ACTIONS, _encoded(action))
        pipe.ltrim(ACTIONS, 0, _KEPT - 1)
        pipe.execute()

    def add_done(self, action: Action) -> None:
        """Record what was done, with a full memory too."""
        call_all(self._redis, "note", [([ACTIONS], [_encoded(action), _KEPT])])

    def newest(self, start: int, most: int) -> list[Action]:
        """Up to `most` actions from position `start`, newest first; foreign entries are skipped."""
        found = []
        for raw in self._redis.lrange(ACTIONS, start, start + most - 1):
            try:
                found.append(_DECODER.decode(raw))
            except msgspec.DecodeError:
                continue
        return found


def _encoded(action: Action) -> bytes:
    short = msgspec.structs.replace(
        action, by=action.by[:100], on=action.on[:_LIMIT], why=action.why[:_LIMIT], result=action.result[:_LIMIT]
    )
    return msgspec.json.encode(short)


def discreet(person: str) -> str:
    """A person in the record: to be recognised by who knows the identifier, and by nobody else."""
    return f"person {hashlib.sha256(person.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
