"""The causes of dead letters: what is wrong, how often, since when."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import orjson
import redis

from worker.dead.filters import Filter
from worker.dead.letter import Letter
from worker.store.keys import cause_key, shard_key

HOUR_MS = 3_600_000


class Cause(msgspec.Struct):
    """One cause of an integration's dead letters, over all shards.

    `oldest_ms` and `newest_ms` are times of failure, `hours` the failures of each of the last hours, newest last.
    """

    integration: str
    cause: str
    reason: str
    field: str
    status: int
    event: str
    count: int = 0
    oldest_ms: int = 0
    newest_ms: int = 0
    hours: list[int] = []


class Causes:
    """The causes of all integrations' dead letters, from counts that Redis keeps: no letter is read."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards

    def list(self, integrations: Iterable[str], wanted: Filter) -> list[Cause]:
        """The causes that match a filter, the most frequent first, without their times."""
        found: dict[tuple[str, str], Cause] = {}
        rows = list(self.abouts(integrations, wanted))
        least, most = _scores(wanted)
        pipe = self._redis.pipeline(transaction=False)
        for name, shard, cause, _ in rows:
            pipe.zcount(cause_key(shard, name, cause), least, most)
        for (name, _, cause, about), count in zip(rows, pipe.execute(), strict=True):
            known = found.setdefault((name, cause), Cause(name, cause, **about))
            known.count += count
        return _sorted(found.values())

    def date(self, causes: Sequence[Cause], wanted: Filter, now_ms: int, hours: int) -> None:
        """Add to causes when the oldest and newest matching letter failed, and the failures of the last hours."""
        least, most = _scores(wanted)
        pipe = self._redis.pipeline(transaction=False)
        for cause in causes:
            for shard in range(self._shards):
                key = cause_key(shard, cause.integration, cause.cause)
                pipe.zrangebyscore(key, least, most, 0, 1, withscores=True)
                pipe.zrevrangebyscore(key, most, least, 0, 1, withscores=True)
                for age in range(hours, 0, -1):
                    pipe.zcount(key, now_ms - age * HOUR_MS + 1, now_ms - (age - 1) * HOUR_MS)
        replies = iter(pipe.execute())
        for cause in causes:
            rows = [list(islice(replies, hours + 2)) for _ in range(self._shards)]
            cause.oldest_ms = int(min((row[0][0][1] for row in rows if row[0]), default=0))
            cause.newest_ms = int(max((row[1][0][1] for row in rows if row[1]), default=0))
            cause.hours = [sum(counts) for counts in zip(*(row[2:] for row in rows), strict=True)]

    def abouts(self, integrations: Iterable[str], wanted: Filter) -> Iterator[tuple[str, int, str, dict[str, Any]]]:
        """Integration, shard, id and description of the causes that match a filter."""
        places = [(name, shard) for name in integrations for shard in range(self._shards)]
        pipe = self._redis.pipeline(transaction=False)
        for name, shard in places:
            pipe.hgetall(shard_key(shard, "deadcauses", name))
        for (name, shard), row in zip(places, pipe.execute(), strict=True):
            for cause, text in row.items():
                about = orjson.loads(text)
                if wanted.takes_cause(cause.decode(), about):
                    yield name, shard, cause.decode(), about


def gather(letters: Iterable[Letter], now_ms: int, hours: int) -> list[Cause]:
    """The causes of these letters, as `Causes` would give them: for filters that only the letters can answer."""
    found: dict[tuple[str, str], Cause] = {}
    for letter in letters:
        key = (letter.integration, letter.cause)
        known = found.get(key)
        if known is None:
            known = found[key] = Cause(*key, **letter.about, oldest_ms=letter.failed_ms, hours=[0] * hours)
        known.count += 1
        known.oldest_ms = min(known.oldest_ms, letter.failed_ms)
        known.newest_ms = max(known.newest_ms, letter.failed_ms)
        age = (now_ms - letter.failed_ms) // HOUR_MS
        if 0 <= age < hours:
            known.hours[hours - 1 - age] += 1
    return _sorted(found.values())


def _sorted(causes: Iterable[Cause]) -> list[Cause]:
    return sorted((c for c in causes if c.count), key=lambda c: (-c.count, c.integration, c.cause))


def _scores(wanted: Filter) -> tuple[Any, Any]:
    """The bounds of the time of failure, as Redis takes them."""
    return wanted.since_ms, f"({wanted.until_ms}" if wanted.until_ms else "+inf"
