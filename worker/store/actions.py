"""Action log: when, who, what, on what, why, and with which result; never a payload or a key."""

import hashlib
from typing import Any

import msgspec
import redis

from worker.store.keys import ACTIONS
from worker.store.scripts import script

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
        self._note: Any = client.register_script(script("note"))

    def add(self, action: Action) -> None:
        """Record an action, with a full memory too: what is done then must be known afterwards."""
        short = msgspec.structs.replace(
            action, by=action.by[:100], on=action.on[:_LIMIT], why=action.why[:_LIMIT], result=action.result[:_LIMIT]
        )
        self._note(keys=[ACTIONS], args=[msgspec.json.encode(short), _KEPT])

    def newest(self, start: int, most: int) -> list[Action]:
        """Up to `most` actions from position `start`, newest first; foreign entries are skipped."""
        found = []
        for raw in self._redis.lrange(ACTIONS, start, start + most - 1):
            try:
                found.append(_DECODER.decode(raw))
            except msgspec.DecodeError:
                continue
        return found


def discreet(person: str) -> str:
    """A person in the record: to be recognised by who knows the identifier, and by nobody else."""
    return f"person {hashlib.sha256(person.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"
