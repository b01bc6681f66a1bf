"""The dead letters: counted, listed by pages, found by a filter, read."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import redis

from worker.dead.causes import Causes
from worker.dead.filters import Filter
from worker.dead.letter import Letter, decode_letter, split_id
from worker.store.entry_id import order
from worker.store.keys import cause_key, shard_key

_PAGE = 500

Place = tuple[int, str]
"""The cursor of a listing: when the letter failed (Unix ms), and its id."""


class DeadLetters:
    """The dead letters of all integrations, as they are read."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards
        self.causes = Causes(client, shards)

    def totals(self, integrations: Iterable[str]) -> dict[str, int]:
        """How many dead letters each integration has."""
        names = list(integrations)
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            for shard in range(self._shards):
                pipe.hlen(shard_key(shard, "dead", name))
        counts = iter(pipe.execute())
        return {name: sum(islice(counts, self._shards)) for name in names}

    def page(
        self, integrations: Iterable[str], wanted: Filter, limit: int, before: Place | None = None
    ) -> tuple[list[Letter], Place | None]:
        """Up to `limit` letters, newest first, and the cursor of the next page, if any."""
        places = self._places(integrations, wanted, before)
        found: list[tuple[Place, Letter]] = []
        while chunk := list(islice(places, _PAGE if wanted.reads_letters else limit + 1)):
            for place, letter in zip(chunk, self.get([dead_id for _, dead_id in chunk]), strict=True):
                if letter is not None and wanted.takes(letter):
                    found.append((place, letter))
            if len(found) > limit:
                return [letter for _, letter in found[:limit]], found[limit - 1][0]
        return [letter for _, letter in found], None

    def find(self, integrations: Iterable[str], wanted: Filter) -> Iterator[Letter]:
        """Every letter that matches a filter, by integration and shard, in order of arrival within one."""
        for name in integrations:
            ids: dict[int, set[str]] = {}
            keys = list(self._keys([name], wanted))
            pipe = self._redis.pipeline(transaction=False)
            for _, key in keys:
                pipe.zrangebyscore(key, wanted.since_ms, f"({wanted.until_ms}" if wanted.until_ms else "+inf")
            for (shard, _), row in zip(keys, pipe.execute(), strict=True):
                ids.setdefault(shard, set()).update(dead_id.decode() for dead_id in row)
            for shard, here in ids.items():
                yield from self._read(shard_key(shard, "dead", name), sorted(here, key=arrival), wanted)

    def get(self, ids: Sequence[str]) -> list[Letter | None]:
        """The letters of these ids, None for those that are not there.

        Raises:
            ValueError: one is no id of a dead letter.
        """
        keys: dict[str, list[str]] = {}
        for dead_id in ids:
            integration, shard, _ = split_id(dead_id)
            keys.setdefault(shard_key(shard, "dead", integration), []).append(dead_id)
        pipe = self._redis.pipeline(transaction=False)
        for key, here in keys.items():
            pipe.hmget(key, here)
        asked = (dead_id for here in keys.values() for dead_id in here)
        records = dict(zip(asked, (record for row in pipe.execute() for record in row), strict=True))
        return [decode_letter(record) if (record := records[dead_id]) else None for dead_id in ids]

    def _read(self, key: str, ids: list[str], wanted: Filter) -> Iterator[Letter]:
        for start in range(0, len(ids), _PAGE):
            for record in self._redis.hmget(key, ids[start : start + _PAGE]):
                if record and wanted.takes(letter := decode_letter(record)):
                    yield letter

    def _keys(self, integrations: Iterable[str], wanted: Filter) -> Iterator[tuple[int, str]]:
        """The sorted sets that hold the letters which may match a filter, each with its shard."""
        if wanted.names_causes:
            for name, shard, cause, _ in self.causes.abouts(integrations, wanted):
                yield shard, cause_key(shard, name, cause)
        else:
            for name in integrations:
                yield from ((shard, shard_key(shard, "deadtime", name)) for shard in range(self._shards))

    def _places(self, integrations: Iterable[str], wanted: Filter, before: Place | None) -> Iterator[Place]:
        """The places of the letters that may match a filter, newest first; read lazily."""
        keys = [key for _, key in self._keys(list(integrations), wanted)]
        return heapq.merge(*(self._descend(key, wanted, before) for key in keys), reverse=True)

    def _descend(self, key: str, wanted: Filter, before: Place | None) -> Iterator[Place]:
        most: int | str = f"({wanted.until_ms}" if wanted.until_ms else "+inf"
        if before is not None and not 0 < wanted.until_ms <= before[0]:
            most = before[0]
        offset, number = 0, 100
        while rows := self._redis.zrevrangebyscore(key, most, wanted.since_ms, offset, number, withscores=True):
            for dead_id, failed_ms in rows:
                place = (int(failed_ms), dead_id.decode())
                if before is None or place < before:
                    yield place
            offset, number = offset + len(rows), 1000  # a caller that reads on will read far


def arrival(dead_id: str) -> tuple[int, int]:
    """When the event of a letter was received, as the stream orders it."""
    return order(dead_id.rpartition(".")[2])
