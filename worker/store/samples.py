"""Samples of the books: the counts of every integration, once a minute, for seven days; and the series they make.

The counts only grow, so a series needs no more than the sample at each of its bounds.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec
import redis

from worker.store.keys import SAMPLES

MINUTE_MS: Final = 60_000
# A series of seven days begins with the sample before it.
_KEPT_MS: Final = 7 * 24 * 60 * MINUTE_MS + 4 * 60 * MINUTE_MS

Range = Literal["15m", "24h", "7d"]
# How long one step of a series is, and how many there are.
STEPS: Final[dict[Range, tuple[int, int]]] = {
    "15m": (MINUTE_MS, 15),
    "24h": (30 * MINUTE_MS, 48),
    "7d": (3 * 60 * MINUTE_MS, 56),
}


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One integration's counts at a time; all but `waiting` and `held` (0 or 1) since it joined."""

    received: int = 0
    filtered: int = 0
    sent: int = 0
    failed: int = 0
    waiting: int = 0
    held: int = 0


class Point(msgspec.Struct, frozen=True):
    """One step of a series: from when (Unix ms), how many events, how many waited at its end, whether it was held then.

    `known` False: no sample was taken in it, since beat or Redis was away; what came then is in the next one.
    """

    at_ms: int
    received: int = 0
    filtered: int = 0
    sent: int = 0
    failed: int = 0
    waiting: int = 0
    held: bool = False
    known: bool = True


class Series(msgspec.Struct, frozen=True):
    """The steps of a range, oldest first; the last one is not over yet."""

    range: Range
    step_ms: int
    points: tuple[Point, ...]

    def total(self, what: Literal["received", "filtered", "sent", "failed"]) -> int:
        """The sum over the range."""
        return sum(getattr(point, what) for point in self.points)

    @property
    def since_ms(self) -> int | None:
        """From when on something is known; None: nothing is."""
        return next((point.at_ms for point in self.points if point.known), None)


_Stored = dict[str, Sample]
_DECODER: Final = msgspec.json.Decoder(_Stored)


class Samples:
    """The samples in Redis: one stream, whose ids are minutes."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer

    def is_due(self) -> bool:
        """Whether this minute has no sample yet, by Redis's clock."""
        newest = self._redis.xrevrange(SAMPLES, count=1)
        return not newest or _ms(newest[0][0]) < self._minute()

    def add(self, counts: dict[str, Sample]) -> bool:
        """Keep the counts of this minute; False: it has a sample already."""
        minute = self._minute()
        command = ("XADD", SAMPLES, "MINID", max(0, minute - _KEPT_MS), f"{minute}-1")
        try:
            self._redis.execute_command(*command, "b", msgspec.json.encode(counts))
        except redis.exceptions.ResponseError as fault:
            if "equal or smaller" in str(fault):
                return False
            raise
        return True

    def series(
        self, names: Iterable[str], span: Range, now_ms: int, counts: dict[str, Sample] | None = None
    ) -> dict[str, Series]:
        """Each integration's series up to now; `counts` are those of now, for whoever has them: no sample is so new."""
        step_ms, steps = STEPS[span]
        end_ms = (now_ms // step_ms + 1) * step_ms
        bounds = [end_ms - step_ms * n for n in range(steps, -1, -1)]
        found = self._at(bounds)
        if counts is not None:
            found[-1] = now_ms, counts
        return {name: Series(span, step_ms, tuple(_points(name, bounds, found))) for name in names}

    def before(self, at_ms: int) -> dict[str, Sample]:
        """The last sample before a time, the first one if all are later; empty where there is none."""
        found = self._at([at_ms])[0]
        return found[1] if found else {}

    def _at(self, bounds: Sequence[int]) -> list[tuple[int, _Stored] | None]:
        """The last sample before each bound; for the first one the first sample behind it, where there is none."""
        pipe = self._redis.pipeline(transaction=False)
        for bound in bounds:
            pipe.xrevrange(SAMPLES, f"({bound}-0", "-", count=1)
        pipe.xrange(SAMPLES, f"{bounds[0]}-0", "+", count=1)
        *before, first = pipe.execute()
        found = [_read(rows) for rows in before]
        return [found[0] or _read(first), *found[1:]]

    def _minute(self) -> int:
        seconds, _ = self._redis.time()
        return int(seconds) * 1000 // MINUTE_MS * MINUTE_MS


def _points(name: str, bounds: Sequence[int], found: Sequence[tuple[int, _Stored] | None]) -> Iterable[Point]:
    for n, at_ms in enumerate(bounds[:-1]):
        was, now = found[n] or found[0], found[n + 1]
        if now is None or now[0] < at_ms:
            yield Point(at_ms, known=False)
            continue
        new = now[1].get(name, Sample())
        old = was[1].get(name, Sample()) if was is not None else new
        # below 0: a replay took letters back, or the integration was removed and joined again
        yield Point(
            at_ms,
            received=max(0, new.received - old.received),
            filtered=max(0, new.filtered - old.filtered),
            sent=max(0, new.sent - old.sent),
            failed=max(0, new.failed - old.failed),
            waiting=new.waiting,
            held=bool(new.held),
        )


def _read(rows: Sequence[Any]) -> tuple[int, _Stored] | None:
    """A sample with its time; None where there is none that can be read."""
    for entry_id, fields in rows:
        try:
            return _ms(entry_id), _DECODER.decode(next(iter(fields.values())))
        except (msgspec.DecodeError, StopIteration):
            return None
    return None


def _ms(entry_id: bytes) -> int:
    return int(entry_id.partition(b"-")[0])
