"""A long file on its way through the door: at a rate, with progress, resumable, what is refused set aside."""

import csv
import io
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO

import orjson

from worker.cli.eventfile import Unreadable
from worker.cli.posting import Poster, RefusedError, Sent

# The door's answers that are about the events themselves: others would refuse the next one too.
_ABOUT_EVENTS = frozenset({400, 413, 422})


class Feed:
    """Posts chunks; `rate` events a second (0: no limit), `refused` takes what the door does not.

    `progress` hears how many events this run has posted.
    """

    def __init__(
        self,
        poster: Poster,
        rate: float,
        refused: IO[bytes] | None,
        notes: Path | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._poster = poster
        self._rate = rate
        self._refused = refused
        self._notes = notes
        self._progress = progress
        self._began_s = time.monotonic()
        self.sent = Sent()
        self.refusals = 0

    def skipped(self, events: Iterator[bytes]) -> int:
        """Leave out what an earlier run has sent; how many."""
        if self._notes is None or not self._notes.exists():
            return 0
        return sum(1 for _ in islice(events, int(orjson.loads(self._notes.read_bytes())["events"])))

    def run(self, chunks: Iterable[list[bytes]], skipped: int = 0) -> None:
        """Post all chunks.

        Raises:
            RefusedError: the door refuses more than single events, or a single one and nobody wants it set aside.
        """
        done = skipped
        for chunk in chunks:
            self._post(chunk)
            done += len(chunk)
            self._note(done)
            self._progress(done - skipped)
            if self._rate:
                time.sleep(max(0.0, (done - skipped) / self._rate - (time.monotonic() - self._began_s)))
        if self._notes is not None:
            self._notes.unlink(missing_ok=True)

    def _post(self, chunk: list[bytes]) -> None:
        for part in chunk:
            if isinstance(part, Unreadable):
                self._set_aside({"reason": part.reason, "line": part.decode(errors="replace")})
        if events := [one for one in chunk if not isinstance(one, Unreadable)]:
            self._post_events(events)

    def _post_events(self, chunk: list[bytes]) -> None:
        try:
            self.sent.add(self._poster.post(chunk))
        except RefusedError as refusal:
            if self._refused is None or refusal.status not in _ABOUT_EVENTS:
                raise
            if len(chunk) > 1:  # nothing of a refused request is stored: each half is tried by itself
                self._post_events(chunk[: len(chunk) // 2])
                self._post_events(chunk[len(chunk) // 2 :])
                return
            self._set_aside({"reason": str(refusal), "event": orjson.loads(chunk[0])})

    def _set_aside(self, record: dict[str, object]) -> None:
        if self._refused is not None:
            self._refused.write(orjson.dumps(record) + b"\n")
            self._refused.flush()
            self.refusals += 1

    def _note(self, done: int) -> None:
        if self._notes is not None:
            new = self._notes.with_name(self._notes.name + ".new")
            new.write_bytes(orjson.dumps({"events": done}))
            new.replace(self._notes)


def read_csv(file: IO[bytes], columns: dict[str, str], *, lenient: bool = False) -> Iterator[bytes]:
    """The rows of a CSV file as events; `columns` renames them. Empty cells are left out, `…_ms` are numbers.

    `lenient` gives out a row that is longer than the head as `Unreadable`, and goes on.

    Raises:
        ValueError: it has no such column, is not UTF-8, or a row is longer than the head; says where.
    """
    rows = csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
    try:
        missing = columns.keys() - set(rows.fieldnames or ())
        if missing:
            raise ValueError(f"no column {min(missing)!r}; there are: {', '.join(rows.fieldnames or ())}")
        yield from _rows(rows, columns, lenient=lenient)
    except UnicodeDecodeError:
        raise ValueError(
            f"after line {rows.line_num}: it is not UTF-8; convert it first: iconv -f latin1 -t utf-8"
        ) from None


def _rows(rows: "csv.DictReader[str]", columns: dict[str, str], *, lenient: bool) -> Iterator[bytes]:
    for row in rows:
        if None in row:
            reason = f"line {rows.line_num} has more cells than the head"
            if not lenient:
                raise ValueError(reason)
            yield Unreadable.of(orjson.dumps(list(row.values()), default=str), reason)
            continue
        named = {columns.get(name, name): cell for name, cell in row.items() if cell}
        yield orjson.dumps(
            {name: int(cell) if name.endswith("_ms") and cell.isdigit() else cell for name, cell in named.items()}
        )
