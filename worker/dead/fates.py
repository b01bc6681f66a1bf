"""Fate of an event in one integration, read from the trail: exact, nothing is computed again.

An event is `waiting` until its group's cursor is past it. Then the trail says how it was settled; if that is dead, the
dead letter says why. An event settled before there was a trail, or whose trail was lost, is `unknown`: never guessed.
"""

from typing import Any, Literal

import msgspec
import redis

from worker.dead.letter import decode_letter, letter_id, split_id
from worker.store.entry_id import order
from worker.store.holds import Hold
from worker.store.lane import Lane
from worker.store.trail import Change, Place
from worker.store.trail_reader import FORGOTTEN, MOVED, Settled, TrailReader

# Most moves of one dead letter that are followed.
_MOVES = 20

Outcome = Literal["delivered", "filtered", "dead", "waiting", "forgotten", "unknown"]


class Fate(msgspec.Struct, frozen=True, omit_defaults=False):
    """An event's end in one integration, or why it waits; times in Unix milliseconds, 0: not known.

    `revision` 0: decided by a file that is no revision. `by`: the replay job that settled it last. `message`: what a
    dead letter says, or why it waits. An event that was not dead has a `letter` where what it says of its person was
    refused.
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


class Fates:
    """Reads what became of events; make one per question, since it caches what it reads."""

    def __init__(self, client: redis.Redis) -> None:
        self._trail = TrailReader(client)
        self._cursors: dict[tuple[str, int], dict[str, Place]] = {}

    def of(self, lane: Lane, entry_id: str, hold: Hold | None = None, *, quick: bool = False) -> Fate:
        """What became of an entry in the lane's integration; `hold` is the integration's, for what still waits.

        `quick`: without looking whether the properties of an event that was filtered were refused.
        """
        place = order(entry_id)
        cursor = self._cursor(lane)
        if cursor is None:
            return Fate("unknown", "not_joined", message="the integration reads no event of this shard yet")
        if place > cursor:
            return _waiting(hold)
        lane, entry_id, settled = self._home(lane, entry_id)
        fate = _fate(settled) if settled else Fate("unknown", "no_trail")
        taken = fate.outcome == "delivered" and not fate.reason
        unsent = fate.outcome == "filtered" and (quick or not fate.status)
        return fate if taken or unsent or fate.outcome == "forgotten" else self._letter(lane, entry_id, fate)

    def _home(self, lane: Lane, entry_id: str) -> tuple[Lane, str, Settled | None]:
        """Where an event was settled last, and how: an edit, or more shards, move its dead letter to another."""
        settled = self._trail.settled(lane, order(entry_id))
        for _ in range(_MOVES):
            if settled is None or settled.kind != MOVED or not isinstance(settled.record, Change):
                break
            if not settled.record.by:  # of a release that did not note where to
                break
            _, shard, entry_id = split_id(settled.record.by)
            lane = Lane(lane.source, lane.integration, shard)
            settled = self._trail.settled(lane, order(entry_id))
        return lane, entry_id, settled

    def expect(self, lane: Lane, first: str, last: str) -> None:
        """Read what is needed for all the entries of this range at once, since they are asked for one by one."""
        self._trail.expect(lane, order(first)[0], order(last)[0])

    def is_forgotten(self, source: str, shard: int, entry_id: str) -> bool:
        """Whether the entry was deleted because its person was forgotten."""
        return self._trail.is_forgotten(source, shard, order(entry_id))

    def _cursor(self, lane: Lane) -> Place | None:
        stream = (lane.source, lane.shard)
        if stream not in self._cursors:
            self._cursors[stream] = self._trail.cursors(lane.key("events"))
        return self._cursors[stream].get(lane.integration)

    def _letter(self, lane: Lane, entry_id: str, fate: Fate) -> Fate:
        """With what its dead letter says, if there is one."""
        dead_id = letter_id(lane.integration, lane.shard, entry_id)
        record: Any = self._trail.ask("HGET", lane.key("dead"), dead_id)
        if record is None:
            return fate
        letter = decode_letter(record)
        if letter.settled:
            return msgspec.structs.replace(fate, message=letter.message, letter=dead_id)
        return msgspec.structs.replace(
            fate, outcome="dead", reason=letter.reason, status=letter.status, message=letter.message, letter=dead_id
        )


def _fate(settled: Settled) -> Fate:
    record, kind, reason = settled.record, settled.kind, settled.reason
    if kind == MOVED:
        kind, reason = "unknown", MOVED
    if settled.field == FORGOTTEN:
        kind, reason = "forgotten", ""
    outcome: Outcome = kind  # type: ignore[assignment]
    by = record.by if isinstance(record, Change) else ""
    return Fate(outcome, reason, record.revision, record.status, record.attempts, record.took_ms, settled.at_ms, by)


def _waiting(hold: Hold | None) -> Fate:
    if hold is None:
        return Fate("waiting", "queued", message="it waits for its turn")
    return Fate("waiting", f"held:{hold.kind}", message=hold.message)
