"""Trail reader: how single entries were settled, exactly, or that nothing is kept of it."""

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import redis

from worker.store.entries import entries
from worker.store.entry_id import order
from worker.store.exchange import Exchange
from worker.store.groups import cursors
from worker.store.lane import Lane
from worker.store.trail import (
    Change,
    Changed,
    Place,
    Run,
    changes_key,
    decode_change,
    decode_run,
    forgotten_key,
    outcome_of,
    split_outcome,
    trail_key,
)

_PAGE: Final = 100
_RUNS: Final = 64
_CLOCK_MS: Final = 60_000  # a fail-over may set Redis's clock back
FORGOTTEN: Final = "filtered:forgotten"
MOVED: Final = "moved"
"""Of an event whose dead letter is on another shard by now; the change is `by` that letter's id."""


class Settled(msgspec.Struct, frozen=True):
    """How an entry was settled last: kind and reason, the run or the change that says so, and when (Unix ms)."""

    kind: str
    reason: str
    record: Run | Change
    at_ms: int

    @property
    def field(self) -> str:
        """The ledger's field that counts it."""
        return f"{self.kind}:{self.reason}" if self.kind == "filtered" else self.kind


class TrailReader:
    """Reads what became of entries; caches the runs that it read last."""

    def __init__(self, client: redis.Redis) -> None:
        self._exchange = Exchange(client)
        self._runs: dict[Lane, list[tuple[int, Run]]] = {}
        self._places: dict[tuple[Lane, Place], list[Place]] = {}
        self._expected: dict[Lane, tuple[int, int, dict[int, list[Changed]]]] = {}

    def settled(self, lane: Lane, place: Place) -> Settled | None:
        """How an entry was settled; None: nothing is kept of it, or it is not settled yet."""
        changed = [one for one in self._changes(lane, place[0], place[0]) if one.place == place]
        if changed:
            change = changed[-1].change
            return Settled(*split_outcome(changed[-1].outcome), change, change.at_ms)
        found = self._run(lane, place)
        if found is None:
            return None
        settled_ms, run = found
        places = self._places_of(lane, run, settled_ms)
        at = bisect_left(places, place)
        behind = len(places) - at
        if at == len(places) or places[at] != place or behind > len(run.outcomes):
            return None
        return Settled(*outcome_of(run.outcomes[-behind]), run, settled_ms)

    def expect(self, lane: Lane, first_ms: int, last_ms: int) -> None:
        """Read the changes of entries received in this time once, and answer from that; as of now."""
        by_ms: dict[int, list[Changed]] = {}
        for one in self._changes(lane, first_ms, last_ms):
            by_ms.setdefault(one.place[0], []).append(one)
        self._expected[lane] = first_ms, last_ms, by_ms

    def cursors(self, stream: str) -> dict[str, Place]:
        """Where each group of a stream is; nothing where there is no stream."""
        try:
            return cursors(self.ask("XINFO", "GROUPS", stream))
        except redis.ResponseError:
            return {}

    def ask(self, *command: Any) -> Any:
        """One command's raw reply."""
        (reply,) = self._exchange([command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def _run(self, lane: Lane, place: Place) -> tuple[int, Run] | None:
        """The run that covers a place, and when it was settled."""
        kept = self._runs.setdefault(lane, [])
        for found in kept:
            if found[1].first <= place <= found[1].last:
                return found
        new = self._search(trail_key(lane.shard, lane.integration), place)[:_RUNS]
        kept += new  # who asks for one entry asks for the next one then, which is often of the next run
        del kept[:-_RUNS]
        return new[0] if new else None

    def _search(self, key: str, place: Place) -> list[tuple[int, Run]]:
        """The run that covers a place, with those behind it that were read along; nothing where none does.

        Bisects the trail: settles come in the order of the entries, and none before its events are received.
        """
        low, high = max(0, place[0] - _CLOCK_MS), time.time_ns() // 1_000_000 + _CLOCK_MS
        while high - low > 1:
            middle = (low + high) // 2
            found = self._runs_from(key, middle, 1)
            if found and found[0][1].last < place:
                low = middle
            else:
                high = middle
        for since_ms in (low, high):
            runs = self._runs_from(key, since_ms, _PAGE)
            for at, (_, run) in enumerate(runs):
                if run.last >= place:
                    return runs[at:] if run.first <= place else []
        return []

    def _runs_from(self, key: str, since_ms: int, count: int) -> list[tuple[int, Run]]:
        """Runs settled since then; those of a later release are passed over, to the first that can be read."""
        after = f"{since_ms}-0"
        while True:
            reply: Any = self.ask("XRANGE", key, after, "+", "COUNT", count)
            rows = [(int(row[0].partition(b"-")[0]), decode_run(row[1][1])) for row in reply]
            found = [(settled_ms, run) for settled_ms, run in rows if run is not None]
            if found or len(reply) < count:
                return found
            after, count = f"({reply[-1][0].decode()}", _PAGE

    def is_forgotten(self, source: str, shard: int, place: Place) -> bool:
        """Whether an entry was deleted because its person was forgotten."""
        return any(one == place for one, _ in self._deleted(source, shard, place, place))

    def _places_of(self, lane: Lane, run: Run, settled_ms: int) -> list[Place]:
        """The entries that a run has a code of: those in the stream, and those deleted after they were settled.

        One deleted before has none: it waited, or the group came later and begins at the oldest event.
        """
        known = self._places.get((lane, run.first))
        if known is None:
            first, last = (f"{place[0]}-{place[1]}" for place in (run.first, run.last))
            rows: Sequence[Any] = self.ask("XRANGE", lane.key("events"), first, last)
            there = {order(entry_id) for entry_id, _ in entries(rows)}
            deleted = self._deleted(lane.source, lane.shard, run.first, run.last)
            there |= {place for place, deleted_ms in deleted if deleted_ms >= settled_ms}
            if len(self._places) > _RUNS:
                self._places.clear()
            known = self._places[lane, run.first] = sorted(there)
        return known

    def _deleted(self, source: str, shard: int, first: Place, last: Place) -> list[tuple[Place, int]]:
        """Entries of a stream that were deleted, and when (Unix ms)."""
        found: Any = self.ask("ZRANGE", forgotten_key(shard, source), first[0], last[0], "BYSCORE")
        pairs = [one.partition(b" ") for one in found]
        return [(place, int(at)) for one, _, at in pairs if first <= (place := order(one)) <= last]

    def _changes(self, lane: Lane, first_ms: int, last_ms: int) -> list[Changed]:
        """The changes of entries received in these milliseconds."""
        expected = self._expected.get(lane)
        if expected is not None and first_ms == last_ms and expected[0] <= first_ms <= expected[1]:
            return expected[2].get(first_ms, [])
        reply: Any = self.ask("ZRANGE", changes_key(lane.shard, lane.integration), first_ms, last_ms, "BYSCORE")
        return [changed for member in reply if (changed := decode_change(member)) is not None]
