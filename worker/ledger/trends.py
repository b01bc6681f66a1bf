"""Trends of an integration, from the samples of its books: failures that grow, and silence where there usually is none.

Pure: it takes series of counts and says what is unusual.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import msgspec

from worker.store.samples import Point, Series

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
# Fewer failures than that in an hour, or a smaller share of what was settled, are for the morning.
_LEAST_FAILED: Final = 10
_LEAST_SHARE: Final = 0.05
# On so many of the six days before there was something at the same hours.
_USUAL_DAYS: Final = 4


class Trend(msgspec.Struct, frozen=True):
    """What is unusual: events that failed within the hour (0: no more than usual), hours of silence (0: none)."""

    failed: int = 0
    settled: int = 0
    silent_h: int = 0


def trend(day: Series, week: Series, silent_h: int) -> Trend:
    """The trend of an integration; `silent_h` is how long a silence has to be to be one."""
    failed, settled = failing(day)
    return Trend(failed, settled, silence(week, silent_h))


def failing(day: Series) -> tuple[int, int]:
    """Failures of about the last hour and what was settled, if they grow: against the rest of the day; else zeros."""
    steps = max(1, _HOUR_MS // day.step_ms) + 1  # the last one is not over yet
    late, early = day.points[-steps:], day.points[:-steps]
    failed, sent = _sum(late, "failed"), _sum(late, "sent")
    usual = _sum(early, "failed") * steps / max(1, sum(point.known for point in early))
    grows = failed >= _LEAST_FAILED and failed >= _LEAST_SHARE * (failed + sent) and failed > 2 * usual
    return (failed, failed + sent) if grows else (0, 0)


def silence(week: Series, silent_h: int) -> int:
    """For how many hours nothing was received, where there usually is something; else 0."""
    steps = max(1, silent_h * _HOUR_MS // week.step_ms)
    a_day = _DAY_MS // week.step_ms
    points = week.points
    if not 0 < steps < a_day:
        return 0
    now = points[-steps - 1 :]
    if any(point.received or not point.known for point in now):
        return 0
    days = [points[-steps - 1 - a_day * n : len(points) - a_day * n] for n in range(1, 7)]
    usual = sum(_sum(day, "received") > 0 for day in days)
    if usual < _USUAL_DAYS:
        return 0
    quiet = len(list(takewhile(lambda point: point.known and not point.received, reversed(points))))
    return max(1, (quiet - 1) * week.step_ms // _HOUR_MS)


def _sum(points: Sequence[Point], what: str) -> int:
    return sum(getattr(point, what) for point in points)
