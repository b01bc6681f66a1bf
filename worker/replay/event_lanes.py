"""Retained events in the hands of a replay: dead letters as such, everything else read from the stream.

The books move with what becomes of an event: one that was filtered and is delivered now leaves filtered for delivered;
one that was delivered and is delivered again stays where it is, as Customer.io ignores the second. One that no run of
the trail covers was never counted for this integration (it joined later): it counts as accepted now.
"""

from typing import Any, Literal

import redis

from worker.dead.letter import Letter, as_text, split_id
from worker.purchasely.event import read_event
from worker.replay.jobs import CARRIED
from worker.replay.letter_lanes import ARCHIVED, LetterLanes, Turn
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.keys import job_part_key
from worker.store.lane import Lane
from worker.store.trail_reader import TrailReader

# The ledger field for an event that the integration never counted: the base of its accepted count.
UNCOUNTED = "base"


class EventLanes(LetterLanes):
    """The lanes as a replay of retained events uses them; one for each replay, since it keeps what it has in hand."""

    def __init__(self, client: redis.Redis, lease_ms: int, person_ttl_s: int, wake_ms: int) -> None:
        super().__init__(client, lease_ms, person_ttl_s, wake_ms)
        self._client = client
        self._trail = TrailReader(client)
        self._counted: dict[str, str] = {}

    def take(
        self, lane: Lane, job_id: str, token: str, most: int, *, overtake: bool
    ) -> Turn | Literal["empty", "busy", "live"]:
        """As for letters; ids that are no dead letter are events of the stream, None when they are trimmed."""
        turn = super().take(lane, job_id, token, most, overtake=overtake)
        if isinstance(turn, Turn):
            self._counted = {}
            for dead_id, letter in turn.letters.items():
                if letter is None:
                    turn.letters[dead_id] = self._read(lane, dead_id) or self._carried(lane, job_id, dead_id)
        return turn

    def _was(self, dead_id: str) -> str:
        return self._counted.get(dead_id, "")

    def _read(self, lane: Lane, dead_id: str) -> Letter | None:
        """The event as a letter that was never written; None: it is gone, or it is a live delivery's to settle."""
        entry_id = split_id(dead_id)[2]
        rows = read_range(self._client, lane.key("events"), entry_id, entry_id)
        settled = self._trail.settled(lane, order(entry_id)) if rows else None
        if not rows or (settled is not None and settled.kind not in {"delivered", "filtered"}):
            return None
        if settled is None and self._waits(lane, entry_id):
            return None
        self._counted[dead_id] = settled.field if settled else UNCOUNTED
        return _letter(lane, dead_id, entry_id, rows[0][1])

    def _carried(self, lane: Lane, job_id: str, dead_id: str) -> Letter | None:
        """An event of the archive, which the job carries; None: it does not, or the event is in its stream."""
        if dead_id in self._counted:
            return None
        raw: Any = self._client.hget(job_part_key(lane.shard, CARRIED, lane.integration, job_id), dead_id)
        if raw is None:
            return None
        self._counted[dead_id] = ARCHIVED
        return _letter(lane, dead_id, split_id(dead_id)[2], raw)

    def _waits(self, lane: Lane, entry_id: str) -> bool:
        cursor = self._trail.cursors(lane.key("events")).get(lane.integration)
        return cursor is None or order(entry_id) > cursor


def _letter(lane: Lane, dead_id: str, entry_id: str, raw: bytes) -> Letter:
    try:
        event = read_event(entry_id, raw)
    except ValueError:
        event = None
    received_ms = order(entry_id)[0]
    return Letter(
        id=dead_id,
        integration=lane.integration,
        source=lane.source,
        shard=lane.shard,
        cause="",
        reason="",
        field="",
        status=0,
        event=event.name if event else "",
        stage="",
        message="",
        person="",
        event_id=event.key if event else "",
        event_time_ms=event.time_ms if event else None,
        received_ms=received_ms,
        failed_ms=received_ms,
        first_failed_ms=received_ms,
        revision="",
        **as_text("raw", raw),
    )
