"""Retained traffic, read by pages from several streams at once, oldest or newest first.

Pages of half of the streams are on their way while those of the other half are looked through. Nothing is indexed: a
million events of 1.1 kB are read in some 1.4 s, one shard of sixteen in 0.12 s. Whoever cannot wait that long gives a
budget: the scan ends when it is spent, and says that it was cut.
"""

import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import msgspec
import redis

from worker.store.entries import Entry, entries
from worker.store.entry_id import order
from worker.store.exchange import Exchange, UnderWay

PAGE = 500
# Redis serves nobody else while it answers an exchange: 4 µs a row.
_ROWS, _LEAST = 500, 50
_FIRST, _LAST = "-", "+"


Row = Sequence[Any]
"""An entry as Redis replies it: its id, and its fields and values."""

Page = tuple[str, list[Row]]
"""Rows of one stream, with its key."""

Sift = Callable[[list[Row]], list[Row]]
"""What is left of the rows of a page."""


class Span(msgspec.Struct, frozen=True):
    """A range of time in Unix milliseconds, by when events were received; None: no bound."""

    since_ms: int | None = None
    until_ms: int | None = None

    @property
    def first(self) -> str:
        """The first entry id that may be in it."""
        return _FIRST if self.since_ms is None else f"{max(0, self.since_ms)}-0"

    @property
    def last(self) -> str:
        """The last entry id that may be in it."""
        return _LAST if self.until_ms is None else f"{max(0, self.until_ms)}-18446744073709551615"

    def takes(self, at_ms: int) -> bool:
        """Whether a time is in it."""
        return (self.since_ms or 0) <= at_ms and (self.until_ms is None or at_ms <= self.until_ms)


ALWAYS = Span()


class Scan:
    """Reads streams; at most `page` entries of each at a time.

    With a budget, `is_cut` says that it was spent before everything was read, and `looked_at` how many rows were. Of a
    scan that was cut, newest first, `reached_ms` is the time (Unix ms) behind which everything was read.
    """

    def __init__(
        self,
        client: redis.Redis,
        page: int = PAGE,
        budget_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exchange = Exchange(client)
        self._page = page
        self._clock = clock
        self._ends_s = None if budget_s is None else clock() + budget_s
        self.is_cut = False
        self.looked_at = 0
        self.reached_ms: int | None = None

    def pages(
        self,
        streams: Sequence[str],
        span: Span = ALWAYS,
        *,
        newest_first: bool = False,
        through: Container[str] = (),
    ) -> Iterator[Page]:
        """Pages of raw rows, each with its stream's key; of one stream in order, of several in turns.

        Redis reads the next while one is looked at. Streams that come to be in `through` are read no further.
        """
        near = span.last if newest_first else span.first
        if newest_first and span.until_ms is not None:
            streams = self._reaching(streams, span)
        halves = [dict.fromkeys(half, near) for half in (streams[::2], streams[1::2]) if half]
        asked: deque[tuple[dict[str, str], UnderWay]] = deque()
        try:
            asked.extend((at, self._ask(at, span, newest_first=newest_first)) for at in halves if not self._is_spent())
            while asked:
                at, under_way = asked.popleft()
                if all(key in through for key in at):
                    under_way.drop()
                    continue
                read = self._take(at, under_way.replies())
                for key in [key for key in at if key in through]:
                    del at[key]
                if at and not self._is_spent():
                    asked.append((at, self._ask(at, span, newest_first=newest_first)))
                yield from read
        finally:
            for _, under_way in asked:
                under_way.drop()
            if self.is_cut and newest_first:
                self.reached_ms = _newest([near for half in halves for near in half.values()])

    def _reaching(self, streams: Sequence[str], span: Span) -> list[str]:
        """The streams that have something as old as a span's end.

        Asked for what is older than all, XREVRANGE begins at the newest entry, and steps over every one of them.
        """
        found = self.ask_all([("XRANGE", key, _FIRST, _LAST, "COUNT", 1) for key in streams])
        return [key for key, rows in zip(streams, found, strict=True) if rows and order(rows[0][0]) <= order(span.last)]

    def _is_spent(self) -> bool:
        """Whether the time is up; then something is left that was not read."""
        spent = self._ends_s is not None and self._clock() > self._ends_s
        self.is_cut = self.is_cut or spent
        return spent

    def matching(
        self,
        streams: Sequence[str],
        texts: Sequence[bytes],
        span: Span = ALWAYS,
        *,
        newest_first: bool = False,
        folded: bool = False,
        through: Container[str] = (),
    ) -> Iterator[tuple[str, Entry]]:
        """The entries whose bytes hold one of the texts (all of them, without a text), each with its stream's key.

        `folded` compares in lower case, which the texts must be in. Streams that come to be in `through` are read no
        further.
        """

        def sift(rows: list[Row]) -> list[Row]:
            if folded:
                return [row for row in rows if any(text in row[1][1].lower() for text in texts)]
            if len(texts) == 1:  # nearly always; a million rows are looked at
                text = texts[0]
                return [row for row in rows if text in row[1][1]]
            return [row for row in rows if not texts or any(text in row[1][1] for text in texts)]

        return self.sifted(streams, sift, span, newest_first=newest_first, through=through)

    def sifted(
        self,
        streams: Sequence[str],
        sift: Sift,
        span: Span = ALWAYS,
        *,
        newest_first: bool = False,
        through: Container[str] = (),
    ) -> Iterator[tuple[str, Entry]]:
        """The entries that `sift` leaves of each page, each with its stream's key."""
        for key, rows in self.pages(streams, span, newest_first=newest_first, through=through):
            for entry in entries(sift(rows)):
                if key not in through:
                    yield key, entry

    def _ask(self, at: dict[str, str], span: Span, *, newest_first: bool) -> UnderWay:
        """Ask for the next page of every stream."""
        name, far = ("XREVRANGE", span.first) if newest_first else ("XRANGE", span.last)
        count = self._rows_of_each(at)
        return self._exchange.ask([(name, key, near, far, "COUNT", count) for key, near in at.items()])

    def _rows_of_each(self, at: dict[str, str]) -> int:
        return min(self._page, max(_LEAST, _ROWS // len(at)))

    def _take(self, at: dict[str, str], replies: Sequence[Any]) -> list[Page]:
        """The pages that were read; `at` goes on to what follows them, and loses the streams that are through."""
        pages, page = [], self._rows_of_each(at)
        for key, reply in zip(list(at), replies, strict=True):
            if isinstance(reply, Exception):
                raise reply
            self.looked_at += len(reply)
            if reply:
                pages.append((key, reply))
            if len(reply) < page:
                del at[key]
            else:
                at[key] = f"({reply[-1][0].decode()}"
        return pages

    def read(self, stream: str, first: str, last: str) -> list[Entry]:
        """All entries of a short range."""
        (reply,) = self._exchange([("XRANGE", stream, first, last)])
        if isinstance(reply, Exception):
            raise reply
        return entries(reply)

    def ask(self, *command: Any) -> Any:
        """One command's raw reply."""
        return self.ask_all([command])[0]

    def ask_all(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The raw replies of several commands, asked for in one exchange."""
        replies = self._exchange([tuple(command) for command in commands])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return list(replies)


def _newest(bounds: Sequence[str]) -> int | None:
    """The latest time of some bounds of entry ids, Unix ms; the last one there is means now."""
    if _LAST in bounds:
        return time.time_ns() // 1_000_000
    return max((int(bound.removeprefix("(").partition("-")[0]) for bound in bounds), default=None)
