"""What became of an event in one integration, read from the trail: exact, nothing is computed again.

An event is `waiting` until its group's cursor is past it. Then the run that covers its entry has its code; if that says
dead, the dead letter may be there still, or a change says what became of it. An event settled before there was a trail,
or whose trail was lost, is `unknown`: never guessed.
"""

import time
from typing import Any, Final, Literal

import msgspec
import redis

from worker.dead.letter import decode_letter, letter_id
from worker.history.scan import Scan
from worker.store.entry_id import order
from worker.store.holds import Hold
from worker.store.stream import Lane
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

Outcome = Literal["delivered", "filtered", "dead", "waiting", "forgotten", "unknown"]

_PAGE: Final = 100
_FORGOTTEN: Final = "filtered:forgotten"
_CLOCK_MS: Final = 60_000  # a fail-over may set Redis's clock back


class Fate(msgspec.Struct, frozen=True, omit_defaults=False):
    """An event's end in one integration, or why it waits; times in Unix milliseconds, 0: not known.

    `revision` 0: decided by a file that is no revision. `by`: the replay job that settled it last. `message`: what a
    dead letter says, or why it waits.
    """

    outcome: Outcome
    reason: str = ""
    revision: int = 0
    status: int = 0
    attempts: int = 0
    took_ms: int = 0
    settled_ms: int = 0
    by: str = ""
    message: str = ""
    letter: str = ""


def id_of(place: Place) -> str:
    """The entry id of a place."""
    return f"{place[0]}-{place[1]}"


class Fates:
    """Reads what became of events; one for a command, since it keeps what it has read of runs."""

    def __init__(self, client: redis.Redis) -> None:
        self._scan = Scan(client)
        self._cursors: dict[tuple[str, int], dict[str, Place]] = {}
        self._runs: dict[tuple[Lane, Place], tuple[int, Run] | None] = {}
        self._changed: dict[Lane, list[Changed]] = {}
        self._places: dict[tuple[Lane, Place], list[Place]] = {}

    def of(self, lane: Lane, entry_id: str, hold: Hold | None = None) -> Fate:
        """What became of an entry in the lane's integration; `hold` is the integration's, for what still waits."""
        place = order(entry_id)
        cursor = self._cursor(lane)
        if cursor is None:
            return Fate("unknown", "not_joined", message="the integration reads no event of this shard yet")
        if place > cursor:
            return _waiting(hold)
        found = self._run(lane, place)
        fate = self._in_run(lane, place, *found) if found else Fate("unknown", "no_trail")
        if fate.outcome in {"delivered", "filtered"}:
            return fate
        return self._later(lane, entry_id, fate)

    def is_forgotten(self, source: str, shard: int, entry_id: str) -> bool:
        """Whether the entry was deleted because its person was forgotten."""
        return self._scan.ask("ZSCORE", forgotten_key(shard, source), entry_id) is not None

    def _cursor(self, lane: Lane) -> Place | None:
        stream = (lane.source, lane.shard)
        if stream not in self._cursors:
            self._cursors[stream] = read_cursors(self._scan, lane.key("events"))
        return self._cursors[stream].get(lane.integration)

    def _run(self, lane: Lane, place: Place) -> tuple[int, Run] | None:
        """The run that covers a place, and when it was settled."""
        for (known, _), found in self._runs.items():
            if known == lane and found and found[1].first <= place <= found[1].last:
                return found
        found = self._search(trail_key(lane.shard, lane.integration), place)
        self._runs[lane, place] = found
        return found

    def _search(self, key: str, place: Place) -> tuple[int, Run] | None:
        """Bisect the trail: settles come in the order of the entries, and none before its events are received."""
        low, high = max(0, place[0] - _CLOCK_MS), time.time_ns() // 1_000_000 + _CLOCK_MS
        while high - low > 1:
            middle = (low + high) // 2
            found = self._runs_from(key, middle, 1)
            if found and found[0][1].last < place:
                low = middle
            else:
                high = middle
        for settled_ms, run in self._runs_from(key, low, _PAGE):
            if run.last >= place:
                return (settled_ms, run) if run.first <= place else None
        return None

    def _runs_from(self, key: str, since_ms: int, count: int) -> list[tuple[int, Run]]:
        reply: Any = self._scan.ask("XRANGE", key, f"{since_ms}-0", "+", "COUNT", count)
        rows = [(int(row[0].partition(b"-")[0]), decode_run(row[1][1])) for row in reply]
        return [(settled_ms, run) for settled_ms, run in rows if run is not None]

    def _in_run(self, lane: Lane, place: Place, settled_ms: int, run: Run) -> Fate:
        places = self._places_of(lane, run)
        behind = len(places) - places.index(place) if place in places else 0
        if not 0 < behind <= len(run.outcomes):
            return Fate("unknown", "no_trail", revision=run.revision, settled_ms=settled_ms)
        return _fate(*outcome_of(run.outcomes[-behind]), run, settled_ms)

    def _places_of(self, lane: Lane, run: Run) -> list[Place]:
        """The entries of a run that are known: those in the stream, and those deleted after they were settled."""
        known = self._places.get((lane, run.first))
        if known is None:
            first, last = id_of(run.first), id_of(run.last)
            there = {order(entry_id) for entry_id, _ in self._scan.read(lane.key("events"), first, last)}
            gone = self._scan.ask(
                "ZRANGE", forgotten_key(lane.shard, lane.source), run.first[0], run.last[0], "BYSCORE"
            )
            there |= {
                place for one in gone if run.first <= (place := order(one.decode())) <= run.last
            } - self._forgotten_waiting(lane)
            known = self._places[lane, run.first] = sorted(there)
        return known

    def _forgotten_waiting(self, lane: Lane) -> set[Place]:
        """Entries that were deleted while this lane had not settled them: no run holds a code of theirs."""
        return {
            place
            for changed in self._changes(lane)
            for place, outcome in changed.outcomes.items()
            if outcome == _FORGOTTEN
        }

    def _changes(self, lane: Lane) -> list[Changed]:
        """The lane's changes, oldest first; there are as many as there are dead letters dealt with, at most."""
        if lane not in self._changed:
            reply: Any = self._scan.ask("XRANGE", changes_key(lane.shard, lane.integration), "-", "+")
            found = [decode_change(int(row[0].partition(b"-")[0]), row[1][1], row[1][3]) for row in reply]
            self._changed[lane] = [changed for changed in found if changed is not None]
        return self._changed[lane]

    def _later(self, lane: Lane, entry_id: str, fate: Fate) -> Fate:
        """What became of a dead letter: it is there, or a change says how it ended."""
        dead_id = letter_id(lane.integration, lane.shard, entry_id)
        record: Any = self._scan.ask("HGET", lane.key("dead"), dead_id)
        if record is not None:
            letter = decode_letter(record)
            return msgspec.structs.replace(
                fate, outcome="dead", reason=letter.reason, status=letter.status, message=letter.message, letter=dead_id
            )
        place = order(entry_id)
        for changed in reversed(self._changes(lane)):
            if place in changed.outcomes:
                return _fate(*split_outcome(changed.outcomes[place]), changed.change, changed.at_ms, changed.change.by)
        return fate


def read_cursors(scan: Scan, stream: str) -> dict[str, Place]:
    """Where each group of a stream is; nothing where there is no stream."""
    try:
        groups: Any = scan.ask("XINFO", "GROUPS", stream)
    except redis.ResponseError:
        return {}
    cursors = {}
    for group in groups:
        fields = dict(zip(group[::2], group[1::2], strict=True)) if isinstance(group, list) else group
        cursors[fields[b"name"].decode()] = order(fields[b"last-delivered-id"].decode())
    return cursors


def _fate(kind: str, reason: str, record: Run | Change, settled_ms: int, by: str = "") -> Fate:
    if f"{kind}:{reason}" == _FORGOTTEN:
        kind, reason = "forgotten", ""
    outcome: Outcome = kind  # type: ignore[assignment]
    return Fate(outcome, reason, record.revision, record.status, record.attempts, record.took_ms, settled_ms, by)


def _waiting(hold: Hold | None) -> Fate:
    if hold is None:
        return Fate("waiting", "queued", message="it waits for its turn")
    return Fate("waiting", f"held:{hold.kind}", message=hold.message)
