"""Counting of event codes: reads on in each stream from where it was counted to, for as long as its budget lasts."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import redis

from worker.store.arrivals import HOUR_MS, Arrivals, Coded
from worker.store.entries import Entry, entries
from worker.store.entry_id import received_ms
from worker.store.exchange import Exchange
from worker.store.keys import shard_key

PAGE: Final = 500
# Customer.io takes no longer name, so a longer code is dead anyway.
_NAME_BYTES: Final = 100
# How long what is read is looked up again may be: texts are the sender's to choose.
_KEPT: Final = 200


_Stream = tuple[str, int]
"""A source and a shard."""


class _Head(msgspec.Struct, gc=False):
    """What of a payload is counted."""

    event_name: Any = None
    environment: Any = None


_decode = msgspec.json.Decoder(_Head).decode


def count_codes(
    client: redis.Redis,
    sources: Iterable[str],
    shards: int,
    budget_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Count what came since the last time, oldest first; how many events. What the budget leaves is next time's."""
    exchange, arrivals, ends = Exchange(client), Arrivals(client), clock() + budget_s
    counted = 0
    at: dict[_Stream, str] = {}
    for source in sources:
        cursors = arrivals.cursors(source)
        at.update({(source, shard): cursors.get(shard, "") for shard in range(shards)})
    while at:
        for (source, shard), rows in _pages(exchange, at):
            was = at.pop((source, shard))
            if not rows:
                continue
            now = rows[-1][0].decode()
            if not arrivals.count(source, shard, was, now, *_counts(entries(rows))):
                continue  # another process is at it
            counted += len(rows)
            if len(rows) == PAGE:
                at[source, shard] = now
        if clock() > ends:
            break
    return counted


def _pages(exchange: Exchange, at: dict[_Stream, str]) -> Iterator[tuple[_Stream, list[Any]]]:
    """The next entries of each stream, as Redis gives them, behind where it was counted to (empty: from its first)."""
    calls = [
        ("XRANGE", shard_key(shard, "events", source), f"({cursor}" if cursor else "-", "+", "COUNT", PAGE)
        for (source, shard), cursor in at.items()
    ]
    for stream, rows in zip(list(at), exchange(calls), strict=True):
        if isinstance(rows, Exception):
            raise rows
        yield stream, rows


def _counts(page: Sequence[Entry]) -> tuple[dict[int, dict[Coded, int]], dict[Coded, int]]:
    """How many of each code came in each hour, and when its last one did (Unix ms); entries are in their order."""
    ids = [entry_id for entry_id, _ in page]
    codes = [coded_of(raw) for _, raw in page]
    last_ids = dict(zip(codes, ids, strict=True))
    newest = {coded: received_ms(entry_id) for coded, entry_id in last_ids.items() if coded is not None}
    hours: dict[int, dict[Coded, int]] = {}
    start = 0
    for end in _ends_of_hours(ids):
        counts = {coded: count for coded, count in Counter(codes[start:end]).items() if coded is not None}
        if counts:
            hours[received_ms(ids[start]) // HOUR_MS] = counts
        start = end
    return hours, newest


def _ends_of_hours(ids: Sequence[str]) -> list[int]:
    """Where each hour's entries end; nearly always all are of one, so that no other id is read."""
    if received_ms(ids[0]) // HOUR_MS == received_ms(ids[-1]) // HOUR_MS:
        return [len(ids)]
    hours = [received_ms(entry_id) // HOUR_MS for entry_id in ids]
    return [place for place in range(1, len(ids)) if hours[place] != hours[place - 1]] + [len(ids)]


def coded_of(raw: bytes) -> Coded | None:
    """The environment and the code of stored bytes; None where there is no code that could be sent.

    >>> coded_of(b'{"event_name": "ACTIVATE", "environment": "SANDBOX"}'), coded_of(b"[]")
    (('SANDBOX', 'ACTIVATE'), None)
    """
    try:
        head = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = head.event_name if type(head.event_name) is str else ""
    environment = head.environment if type(head.environment) is str else ""
    if len(name) + len(environment) > _KEPT:
        return _coded.__wrapped__(name, environment)
    return _coded(name, environment)


@lru_cache(maxsize=1024)
def _coded(code: str, environment: str) -> Coded | None:
    name = code.strip()
    if not name or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
        return None
    environment = environment.strip().upper() or "PRODUCTION"  # as the mapping reads it
    return (environment, name) if environment in {"PRODUCTION", "SANDBOX"} else None
