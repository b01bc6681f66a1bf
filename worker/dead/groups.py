"""Groups of dead letters: what has to be fixed once, whichever events it hit; commands take them by number."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import redis

from worker.dead.causes import Cause, gather
from worker.dead.filters import Filter
from worker.dead.letters import DeadLetters
from worker.store.keys import DEAD_NUMBERS
from worker.store.scripts import script

Key = tuple[str, str, str, int]
"""What a group is: integration, reason, field, Customer.io's status."""

HOURS = 12
# How long a number stays with its group after anybody last listed it: nobody must act on another group than they saw.
KEPT_MS = 86_400_000

_KEY = msgspec.json.Decoder(Key)


class Group(msgspec.Struct):
    """Dead letters of one integration that one fix solves; `causes` are its parts, one an event name, most first.

    `number` is what people call it by; 0: it could not be stored.
    """

    integration: str
    reason: str
    field: str
    status: int
    number: int = 0
    causes: list[Cause] = []

    @property
    def key(self) -> Key:
        """What the group is."""
        return self.integration, self.reason, self.field, self.status

    @property
    def count(self) -> int:
        """How many letters it has."""
        return sum(cause.count for cause in self.causes)

    @property
    def events(self) -> list[str]:
        """The events' names, the most frequent first; empty for one without a name."""
        return [cause.event for cause in self.causes]

    @property
    def oldest_ms(self) -> int:
        """When the first of them failed."""
        return min((cause.oldest_ms for cause in self.causes if cause.oldest_ms), default=0)

    @property
    def newest_ms(self) -> int:
        """When the last of them failed."""
        return max((cause.newest_ms for cause in self.causes), default=0)

    @property
    def hours(self) -> list[int]:
        """The failures of each of the last hours, newest last."""
        return [sum(counts) for counts in zip(*(cause.hours for cause in self.causes if cause.hours), strict=True)]

    def narrow(self, wanted: Filter) -> Filter:
        """The filter for the letters of this group that match another filter."""
        return msgspec.structs.replace(
            wanted,
            integrations=(self.integration,),
            reasons=(self.reason,),
            fields=(self.field,),
            statuses=(self.status,),
        )


def group(causes: Iterable[Cause]) -> list[Group]:
    """The groups of these causes, the largest first.

    >>> [one.events for one in group([Cause("crm", c, "rejected", "name", 207, c, n) for c, n in (("A", 2), ("B", 3))])]
    [['B', 'A']]
    """
    found: dict[Key, Group] = {}
    for cause in sorted(causes, key=lambda cause: (-cause.count, cause.event)):
        key = (cause.integration, cause.reason, cause.field, cause.status)
        found.setdefault(key, Group(*key, causes=[])).causes.append(cause)
    return sorted(found.values(), key=lambda one: (-one.count, one.key))


class Groups:
    """The groups as commands and the console list them, and find one again by its number."""

    def __init__(self, client: redis.Redis, letters: DeadLetters) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._letters = letters
        self._number = client.register_script(script("number"))

    def list(
        self, integrations: Sequence[str], wanted: Filter, now_ms: int, *, hours: int = HOURS, limit: int = 0
    ) -> list[Group]:
        """The groups of what matches a filter, the largest first; with `limit` only so many have times and hours."""
        if wanted.reads_letters:
            found = group(gather(self._letters.find(integrations, wanted), now_ms, hours))
        else:
            found = group(self._letters.causes.list(integrations, wanted))
            shown = [cause for one in found[: limit or None] for cause in one.causes]
            self._letters.causes.date(shown, wanted, now_ms, hours)
        for one, number in zip(found, self._numbers(found, now_ms), strict=True):
            one.number = number
        return found

    def numbered(self) -> dict[int, Group]:
        """Every number that stands for a group, without the group's causes."""
        rows = self._redis.hgetall(DEAD_NUMBERS)
        found = {}
        for key, row in rows.items():
            number = int(row.split()[0])
            integration, reason, field, status = _KEY.decode(key)
            found[number] = Group(integration, reason, field, status, number)
        return found

    def _numbers(self, found: Sequence[Group], now_ms: int) -> Sequence[int]:
        if not found:
            return []
        keys = [msgspec.json.encode(one.key) for one in found]
        try:
            numbers: Sequence[int] = self._number(keys=[DEAD_NUMBERS], args=[now_ms, KEPT_MS, *keys])
        except redis.ResponseError:  # a user that may only read
            return [0] * len(found)
        return numbers


def where(events: Sequence[str]) -> str:
    """Which events a group is about, in a cell.

    >>> where(["RENEWED"]), where(["A", "B"]), where([""])
    ('RENEWED', '2 event names', '(no event name)')
    """
    return f"{len(events)} event names" if len(events) > 1 else next(iter(events), "") or "(no event name)"
