"""Retained traffic and the archive behind it, read as one: what `--archive` puts in the place of the streams alone."""

import re
from collections.abc import Container, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec
import redis

from worker.dead.fates import Fate, Fates
from worker.history.scan import ALWAYS, PAGE, Row, Scan, Sift, Span
from worker.store.archive import Archive, File, Line
from worker.store.entries import Entry
from worker.store.entry_id import order
from worker.store.holds import Hold
from worker.store.lane import Lane

_STREAM: Final = re.compile(r"relay:\{(\d+)\}:events:(.+)")

Place = tuple[int, int]
Written = dict[str, dict[str, Any]]
"""What became of an archived event, by integration."""


class ArchivedScan(Scan):
    """Reads streams, and before their first entry the archive; remembers the fates of what it gave out."""

    def __init__(self, client: redis.Redis, archive: Archive, page: int = PAGE) -> None:
        super().__init__(client, page)
        self._archive = archive
        self._size = page
        self._page_fates: dict[tuple[str, str], Written] = {}
        self._kept: dict[tuple[str, str], Written] = {}

    def pages(
        self,
        streams: Sequence[str],
        span: Span = ALWAYS,
        *,
        newest_first: bool = False,
        through: Container[str] = (),  # noqa: ARG002 - an archive may have an event twice: all of it is read
    ) -> Iterator[tuple[str, list[Row]]]:
        """As for streams; the archive's part before the streams', or behind it. Fates are kept of the page in hand."""
        if newest_first:
            ends: dict[str, Place] = {}
            for key, rows in super().pages(streams, span, newest_first=True):
                self._page_fates = {}
                ends[key] = order(rows[-1][0])
                yield key, rows
            for key in streams:
                yield from self._newest(key, span, ends.get(key) or self._first(key))
            return
        for key in streams:
            yield from self._oldest(key, span)
        self._page_fates = {}
        yield from super().pages(streams, span)

    def sifted(
        self,
        streams: Sequence[str],
        sift: Sift,
        span: Span = ALWAYS,
        *,
        newest_first: bool = False,
        through: Container[str] = (),
    ) -> Iterator[tuple[str, Entry]]:
        """As for streams; the fates of these entries are kept."""
        for key, entry in super().sifted(streams, sift, span, newest_first=newest_first, through=through):
            found = self._page_fates.get((key, entry[0]))
            if found is not None:
                self._kept[key, entry[0]] = found
            yield key, entry

    def read(self, stream: str, first: str, last: str) -> list[Entry]:
        """As for streams; from the archive what they do not have."""
        rows = super().read(stream, first, last)
        if rows:
            return rows
        found = []
        for line in self._lines(stream, Span(order(first)[0], order(last)[0]), None):
            if order(first) <= order(line.id) <= order(last):
                self._kept[stream, line.id] = line.fates
                found.append((line.id, line.body))
        return found

    def written(self, stream: str, entry_id: str) -> Written | None:
        """What became of an entry that was given out lately; None: it is not of the archive."""
        return self._page_fates.get((stream, entry_id)) or self._kept.get((stream, entry_id))

    def since_ms(self, streams: Sequence[str]) -> int | None:
        """When the oldest archived event was received (Unix ms); None: there is none."""
        firsts = [found[0].first[0] for key in streams if (found := self._files(key, ALWAYS))]
        return min(firsts, default=None)

    def _oldest(self, key: str, span: Span) -> Iterator[tuple[str, list[Row]]]:
        """The archived part in order; again, when more was trimmed while it was read."""
        at: Place = (0, 0)
        while True:
            first = self._first(key)
            lines = self._lines(key, span, first)
            yield from self._as_pages(key, (line for line in lines if order(line.id) >= at))
            if self._first(key) == first or first is None:
                return
            at = first

    def _newest(self, key: str, span: Span, end: Place | None) -> Iterator[tuple[str, list[Row]]]:
        for file in reversed(self._files(key, span)):
            lines = [line for line in self._archive.read(file) if _is_in(line, span, end)]
            yield from self._as_pages(key, reversed(lines))
            if lines:
                end = order(lines[0].id)

    def _lines(self, key: str, span: Span, end: Place | None) -> Iterator[Line]:
        last: Place = (-1, 0)
        for file in self._files(key, span):
            for line in self._archive.read(file):
                place = order(line.id)
                if place > last and _is_in(line, span, end):  # two files may share lines after a kill and a forgetting
                    last = place
                    yield line

    def _as_pages(self, key: str, lines: Iterator[Line]) -> Iterator[tuple[str, list[Row]]]:
        while page := list(islice(lines, self._size)):
            self._page_fates = {(key, line.id): line.fates for line in page}
            yield key, [(line.id.encode(), (b"b", line.body)) for line in page]

    def _files(self, key: str, span: Span) -> list[File]:
        found = _STREAM.fullmatch(key)
        if found is None:
            return []
        return self._archive.files(found[2], int(found[1]), span.since_ms or 0, span.until_ms)

    def _first(self, key: str) -> Place | None:
        rows: Any = self.ask("XRANGE", key, "-", "+", "COUNT", 1)
        return order(rows[0][0]) if rows else None


class ArchivedFates(Fates):
    """Fates of events that may be of the archive: as they were when it was written."""

    def __init__(self, client: redis.Redis, scan: ArchivedScan) -> None:
        super().__init__(client)
        self._scan = scan

    def of(self, lane: Lane, entry_id: str, hold: Hold | None = None, *, quick: bool = False) -> Fate:
        """What became of an entry; of one that failed, what became of its dead letter since, if that is known."""
        written = self._scan.written(lane.key("events"), entry_id)
        if written is None:
            return super().of(lane, entry_id, hold, quick=quick)
        found = written.get(lane.integration)
        if found is None:
            return Fate("unknown", "not_joined")
        try:
            fate = msgspec.convert(found, Fate)
        except msgspec.ValidationError:  # an outcome of a later release
            return Fate("unknown", "no_trail")
        if fate.outcome != "dead":
            return fate
        now = super().of(lane, entry_id, hold, quick=quick)
        if now.outcome in {"delivered", "filtered", "dead", "forgotten"}:
            return now
        return msgspec.structs.replace(fate, outcome="unknown", reason="letter_gone")


def _is_in(line: Line, span: Span, end: Place | None) -> bool:
    """Whether a line was received in a span, and comes before what is read elsewhere."""
    place = order(line.id)
    if end is not None and place >= end:
        return False
    return (span.since_ms or 0) <= place[0] and (span.until_ms is None or place[0] <= span.until_ms)
