"""Neighbours of a dead letter: the same person's events just before and after it, as far as they are kept."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import redis

from config.integrations import Identity, default_identity
from worker.dead.letter import Letter, decode_letter, letter_id, raw_of
from worker.dead.letters import arrival
from worker.purchasely.moment import event_time
from worker.purchasely.payload import read_object
from worker.purchasely.person import shard_person
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.groups import read_cursors
from worker.store.lane import Lane

# How far to search in each direction; a person's events are seldom far apart, and a search must be quick.
_ENTRIES = 2000
_LETTERS = 500


class Neighbour(msgspec.Struct, frozen=True):
    """An event of the same person: its entry, name and time (Unix ms), and what became of it."""

    entry: str
    event: str
    time_ms: int | None
    became: str


def neighbours(
    client: redis.Redis, letter: Letter, identity: Identity | None = None
) -> tuple[Neighbour | None, Neighbour | None]:
    """The events of the letter's person received before and after it; None where none is found near by.

    `identity` is the identity chain of the letter's source (None: the default one).
    """
    identity = identity or default_identity()
    lane = Lane(letter.source, letter.integration, letter.shard)
    server: Any = client
    before, after = _in_stream(server, lane, letter.entry_id)
    dead_before, dead_after = _in_letters(server, lane, letter)
    here = arrival(letter.id)
    found = [
        (arrival(entry), entry, payload)
        for rows in (before, dead_before, after, dead_after)
        if (first := next(_of_person(rows, letter.person, identity), None))
        for entry, payload in [first]
    ]
    earlier = max((one for one in found if one[0] < here), default=None, key=lambda one: one[0])
    later = min((one for one in found if one[0] > here), default=None, key=lambda one: one[0])
    return (
        _neighbour(server, lane, *earlier[1:]) if earlier else None,
        _neighbour(server, lane, *later[1:]) if later else None,
    )


def _in_stream(server: Any, lane: Lane, entry_id: str) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    key = lane.key("events")
    before = read_range(server, key, last=f"({entry_id}", count=_ENTRIES, newest=True)
    after = read_range(server, key, f"({entry_id}", count=_ENTRIES)
    return before, after


def _in_letters(server: Any, lane: Lane, letter: Letter) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    ids = sorted((dead_id.decode() for dead_id in server.hkeys(lane.key("dead"))), key=arrival)
    place = bisect_left(ids, arrival(letter.id), key=arrival)
    near = [*reversed(ids[max(0, place - _LETTERS) : place]), *ids[place + 1 : place + 1 + _LETTERS]]
    if not near:
        return [], []
    records = server.hmget(lane.key("dead"), near)
    found = [(one.entry_id, raw_of(one)) for one in (decode_letter(record) for record in records if record)]
    here = arrival(letter.id)
    return [one for one in found if arrival(one[0]) < here], [one for one in found if arrival(one[0]) > here]


def _of_person(
    rows: Iterable[tuple[str, bytes]], person: str, identity: Identity
) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry, raw in rows:
        try:
            payload = read_object(raw)
        except ValueError:
            continue
        if person and shard_person(payload, identity) == person:
            yield entry, payload


def _neighbour(server: Any, lane: Lane, entry: str, payload: dict[str, Any]) -> Neighbour:
    name = payload.get("event_name")
    became = "settled"
    record = server.hget(lane.key("dead"), letter_id(lane.integration, lane.shard, entry))
    if record is not None and not decode_letter(record).settled:
        became = "dead"
    else:
        cursor = read_cursors(server, lane.key("events")).get(lane.integration)
        if cursor is not None and order(entry) > cursor:
            became = "waiting"
    return Neighbour(entry, name if isinstance(name, str) else "", event_time(payload)[0], became)
