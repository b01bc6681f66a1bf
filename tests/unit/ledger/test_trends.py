"""Failures that grow, and silence where there usually is something."""

import pytest

from worker.ledger.trends import failing, silence
from worker.store.samples import STEPS, Point, Series


def day(*failed, sent=100):
    """A day of failures a half hour, the newest last; what is not given is 0."""
    step_ms, steps = STEPS["24h"]
    counts = [0] * (steps - len(failed)) + list(failed)
    return Series("24h", step_ms, tuple(Point(n * step_ms, failed=count, sent=sent) for n, count in enumerate(counts)))


@pytest.mark.parametrize(
    ("series", "failed"),
    [
        (day(), 0),
        (day(9), 0),
        (day(30), 30),
        (day(5, 20, 5), 30),
        (day(30, sent=1000), 0),
        (day(*[30] * 48), 0),
        (day(*[1] * 45, 40, 40, 40), 120),
    ],
    ids=["none", "few", "new", "of an hour", "a small share", "as always", "more than always"],
)
def test_failures_grow(series, failed):
    """Enough of them, a share that matters, more than before."""
    assert failing(series)[0] == failed


def week(received, known=lambda _: True):
    step_ms, steps = STEPS["7d"]
    points = (
        Point(n * step_ms, received=received(steps - 1 - n) if known(steps - 1 - n) else 0, known=known(steps - 1 - n))
        for n in range(steps)
    )
    return Series("7d", step_ms, tuple(points))


@pytest.mark.parametrize(
    ("series", "hours"),
    [
        (week(lambda _: 10), 0),
        (week(lambda ago: 0 if ago < 3 else 10), 6),
        (week(lambda ago: 0 if ago < 2 else 10), 0),
        (week(lambda ago: 0 if ago < 9 else 10), 24),
        (week(lambda _: 0), 0),
        (week(lambda ago: 10 if ago == 30 else 0), 0),
        (week(lambda ago: 0 if ago % 8 < 3 else 10), 0),
        (week(lambda ago: 0 if ago < 3 else 10, known=lambda ago: ago != 1), 0),
        (week(lambda ago: 0 if ago < 3 else 10, known=lambda ago: ago < 20), 0),
    ],
    ids=["steady", "six hours", "too short", "a day", "never", "rare", "each night", "not looked", "new"],
)
def test_silence(series, hours):
    """Long enough, and unlike the days before."""
    assert silence(series, 6) == hours
