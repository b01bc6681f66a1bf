"""Archiving: what is to be trimmed is written to the archive first, with what became of it, and read back.

One process archives at a time. Each file is a step of its own: written, verified, then its events are trimmed. Whoever
is killed in between leaves a file that the next one writes again under the same name. An archive that fails holds the
trim, and nothing else; it is tried again after a pause.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import redis

from worker.dead.fates import Fate, Fates
from worker.errors import ArchiveError
from worker.process.eventlog import EventLog
from worker.store.archive import HOUR_MS, Archive, Line, line
from worker.store.archive_state import ArchiveRecord
from worker.store.entries import Entry, read_range
from worker.store.entry_id import order, received_ms
from worker.store.keys import shard_key
from worker.store.lane import Lane

log = EventLog(__name__)

LEASE_MS = 120_000
PAUSE_MS = 30_000
# A round ends before a task's time limit does, with whole files.
_BUDGET_S = 240
# Bounds of a file, so that one is in memory with ease.
_LINES = 25_000
_BYTES = 32_000_000
_PAGE = 1000

Place = tuple[int, int]


class Archiving:
    """One round of archiving; `run` holds the lease for it."""

    def __init__(self, client: redis.Redis, archive: Archive, pause_ms: int = PAUSE_MS) -> None:
        self._redis = client
        self._archive = archive
        self._record = ArchiveRecord(client)
        self._token = uuid.uuid4().hex
        self._pause_ms = pause_ms
        self._ends_s = time.monotonic() + _BUDGET_S

    @contextmanager
    def run(self) -> Iterator[bool]:
        """Hold the lease; False when another process archives, or the archive failed a moment ago."""
        if not self._record.claim(self._token, LEASE_MS):
            yield False
            return
        try:
            yield True
        except ArchiveError as fault:
            self._record.failed(str(fault))
            log.warning("archive_failed", trimming="held", reason=str(fault).replace(" ", "_"))
            self._record.claim(self._token, self._pause_ms)  # nobody tries before that
        else:
            self._record.release(self._token)

    def cuts(self, source: str, shard: int, groups: list[str], limit: Place) -> Iterator[Place]:
        """Archive the entries below `limit`, file by file: before each place everything is archived, and may go.

        Raises:
            ArchiveError: the archive does not take a file.
        """
        lanes = [Lane(source, name, shard) for name in groups]
        for part in self._parts(shard_key(shard, "events", source), limit):
            if time.monotonic() > self._ends_s or not self._record.claim(self._token, LEASE_MS):
                return
            self._archive.write(source, shard, self._lines(lanes, part))
            self._record.wrote(len(part))
            # a slow archive may have taken longer than the lease lasts: then another has this part in hand
            if not self._record.claim(self._token, LEASE_MS):
                return
            last = order(part[-1][0])
            yield last[0], last[1] + 1

    def _parts(self, key: str, limit: Place) -> Iterator[list[Entry]]:
        """The entries below a limit, in the runs that become one file each."""
        if limit <= (0, 0):
            return  # a group that has read nothing yet; Redis knows no entry before the first
        part: list[Entry] = []
        size, after = 0, "-"
        while page := read_range(self._redis, key, after, f"({limit[0]}-{limit[1]}", count=_PAGE):
            for entry in page:
                full = len(part) >= _LINES or size >= _BYTES
                if part and (full or received_ms(part[0][0]) // HOUR_MS != received_ms(entry[0]) // HOUR_MS):
                    yield part
                    part, size = [], 0
                part.append(entry)
                size += len(entry[1])
            after = f"({page[-1][0]}"
        if part:
            yield part

    def _lines(self, lanes: list[Lane], part: list[Entry]) -> list[Line]:
        fates = Fates(self._redis)
        for lane in lanes:
            fates.expect(lane, part[0][0], part[-1][0])
        return [
            line(entry_id, raw, {lane.integration: _short(fates.of(lane, entry_id)) for lane in lanes})
            for entry_id, raw in part
        ]


def _short(fate: Fate) -> dict[str, object]:
    """A fate without what is empty, and without the letter's id, which may be gone by the time it is read."""
    known = msgspec.structs.asdict(fate)
    return {name: value for name, value in known.items() if value and name != "letter"}
