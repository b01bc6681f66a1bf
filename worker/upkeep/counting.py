"""Counting of event codes: reads on in each stream from where it was counted to, for as long as its budget lasts."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import redis

from worker.store.arrivals import HOUR_MS, Arrivals, Coded
from worker.store.exchange import Exchange
from worker.store.keys import shard_key
from worker.store.stream import Entry, entries

PAGE: Final = 500
# Customer.io takes no longer name, so a longer code is dead anyway.
_NAME_BYTES: Final = 100


class _Head(msgspec.Struct):
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
    at: dict[tuple[str, int], str] = {}
    for source in sources:
        cursors = arrivals.cursors(source)
        at.update({(source, shard): cursors.get(shard, "") for shard in range(shards)})
    while at:
        asked = list(at)
        firsts = [f"({cursor}" if cursor else "-" for cursor in at.values()]
        calls = [
            ("XRANGE", shard_key(shard, "events", source), first, "+", "COUNT", PAGE)
            for (source, shard), first in zip(asked, firsts, strict=True)
        ]
        for (source, shard), rows in zip(asked, exchange(calls), strict=True):
            was = at.pop((source, shard))
            if isinstance(rows, Exception):
                raise rows
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


def _counts(page: Iterable[Entry]) -> tuple[dict[int, dict[Coded, int]], dict[Coded, int]]:
    """How many of each code came in each hour, and when its last one did (Unix ms)."""
    hours: dict[int, dict[Coded, int]] = {}
    newest: dict[Coded, int] = {}
    for entry_id, raw in page:
        coded = coded_of(raw)
        if coded is not None:
            at_ms = int(entry_id.partition("-")[0])
            counts = hours.setdefault(at_ms // HOUR_MS, {})
            counts[coded] = counts.get(coded, 0) + 1
            newest[coded] = at_ms
    return hours, newest


def coded_of(raw: bytes) -> Coded | None:
    """The environment and the code of stored bytes; None where there is no code that could be sent.

    >>> coded_of(b'{"event_name": "ACTIVATE", "environment": "SANDBOX"}'), coded_of(b"[]")
    (('SANDBOX', 'ACTIVATE'), None)
    """
    try:
        head = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    name = head.event_name.strip() if isinstance(head.event_name, str) else ""
    if not name or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
        return None
    environment = head.environment.strip().upper() if isinstance(head.environment, str) else ""
    environment = environment or "PRODUCTION"  # as the mapping reads it
    return (environment, name) if environment in {"PRODUCTION", "SANDBOX"} else None
