"""Activity: the newest events of all streams, or those of one id or person; searched within a budget of time."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from worker.history.find import Found
from worker.history.scan import ALWAYS, Row, Scan, Span
from worker.history.timeline import Spot, spot
from worker.history.trace import Trace, Tracer
from worker.purchasely.event import read_event
from worker.store.entries import entries
from worker.store.entry_id import order

# Redis serves nobody else while it answers for all streams: pages begin small, since the first events mostly suffice.
_FIRST, _PAGE = 10, 100


class Wanted(msgspec.Struct, frozen=True):
    """Which events are looked for: by code, by outcome in an integration (of any, if none is named).

    Or by an event's id (as `Finder.event` takes it), by a person, by when they were received. Empty: any.
    """

    code: str = ""
    outcome: str = ""
    integration: str = ""
    event_id: str = ""
    person: str = ""
    span: Span = ALWAYS

    @property
    def is_of_one(self) -> bool:
        """Whether an id or a person is looked for: of these there are few events."""
        return bool(self.event_id or self.person)

    def takes(self, trace: Trace) -> bool:
        """Whether what became of an event is what is looked for."""
        fates = [one for one in trace.integrations if self.integration in ("", one.integration)]
        return not (self.outcome or self.integration) or any(self.outcome in ("", one.outcome) for one in fates)


class Activity(msgspec.Struct, frozen=True):
    """A page of it, newest first; `looked_at` events were read, back to `reached_ms`; `last` is where it ended.

    `more`: there are older events that were not looked at.
    """

    items: list[Trace]
    looked_at: int
    reached_ms: int
    last: Spot | None
    more: bool


def activity(
    scan: Scan,
    streams: Mapping[str, tuple[str, int]],
    tracer: Tracer,
    wanted: Wanted,
    limit: int,
    after: Spot | None = None,
    budget_s: float = 1.0,
    clock: Callable[[], float] = time.monotonic,
    chosen: Iterable[Found] | None = None,
) -> Activity:
    """The newest events that come after a spot in the timeline; stops when the page is full or the time is up.

    `chosen`: of these only, newest first, instead of those of the streams.
    """
    ends_s = clock() + budget_s
    items: list[Trace] = []
    looked_at, last = 0, after
    for run in _runs(scan, streams, after, wanted.span) if chosen is None else [iter(chosen)]:
        for found in run:
            if len(items) == limit or (looked_at >= limit and clock() > ends_s):
                return Activity(items, looked_at, _ms(last), last, more=True)
            looked_at, last = looked_at + 1, spot(found)
            if wanted.code in ("", found.event.name):
                trace = tracer.trace(found)
                if wanted.takes(trace):
                    items.append(trace)
    return Activity(items, looked_at, _ms(last), last, more=False)


def _ms(last: Spot | None) -> int:
    return -last[0] if last else 0


def _runs(
    scan: Scan, streams: Mapping[str, tuple[str, int]], after: Spot | None, span: Span
) -> Iterator[Iterator[Found]]:
    """Events of all streams in order, newest first, in runs of what is known to be complete."""
    at = dict.fromkeys(streams, f"{-after[0]}" if after else span.last)
    waiting: list[tuple[Spot, str, Row]] = []
    page = _FIRST
    while at:
        replies = scan.ask_all([("XREVRANGE", key, end, span.first, "COUNT", page) for key, end in at.items()])
        frontier = (0, 0)  # older ones may still come from a stream whose page was full
        for key, rows in zip(list(at), replies, strict=True):
            source, shard = streams[key]
            for row in rows:
                ms, number = order(row[0].decode())
                if after is None or (-ms, -number, shard, source) > after:
                    waiting.append(((-ms, -number, shard, source), key, row))
            if len(rows) < page:
                del at[key]
            else:
                at[key] = f"({rows[-1][0].decode()}"
                frontier = max(frontier, order(rows[-1][0].decode()))
        waiting.sort(key=lambda one: one[0])
        ready = sum((-place[0], -place[1]) >= frontier for place, _, _ in waiting)
        yield _read(waiting[:ready], streams)
        waiting = waiting[ready:]
        page = min(2 * page, _PAGE)


def _read(rows: Sequence[tuple[Spot, str, Row]], streams: Mapping[str, tuple[str, int]]) -> Iterator[Found]:
    """The events of these rows; what cannot be read is left out."""
    for _, key, row in rows:
        for entry_id, raw in entries([row]):
            source, shard = streams[key]
            try:
                yield Found(source, shard, entry_id, read_event(entry_id, raw))
            except (ValueError, RecursionError):
                continue
