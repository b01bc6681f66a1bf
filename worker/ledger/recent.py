"""Delays of the last minutes: from received to settled, sampled from the trail; one hold is not shown for ever."""

import time
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, Final

import msgspec
import redis

from worker.store.lane import Lane
from worker.store.trail import DELIVERED, PROPERTIES_REJECTED, Run, decode_run, trail_key

RECENT_MS: Final = 15 * 60_000
_RUNS: Final = 50  # the newest of each lane
_RUNS_OF_ALL: Final = 2500  # fewer of each where there are many lanes
_POINTS: Final = 10  # of each run


class Delays(msgspec.Struct, frozen=True):
    """Percentiles of received-to-delivered, in milliseconds; None: nothing was delivered lately."""

    p50_ms: int | None = None
    p99_ms: int | None = None


def recent_delays(client: redis.Redis, lanes: Iterable[Lane], now_ms: int | None = None) -> dict[str, Delays]:
    """Each integration's delays in the last 15 minutes, from the newest runs of its lanes."""
    since_ms = (time.time_ns() // 1_000_000 if now_ms is None else now_ms) - RECENT_MS
    asked = list(lanes)
    runs = max(2, min(_RUNS, _RUNS_OF_ALL // max(1, len(asked))))
    pipe: Any = client.pipeline(transaction=False)
    for lane in asked:
        pipe.xrevrange(trail_key(lane.shard, lane.integration), "+", since_ms, count=runs)
    found: dict[str, list[tuple[int, float]]] = {}
    for lane, rows in zip(asked, pipe.execute(), strict=True):
        samples = found.setdefault(lane.integration, [])
        for entry_id, fields in rows:
            run = decode_run(next(iter(fields.values())))
            if run is not None:
                samples += sample(run, int(entry_id.partition(b"-")[0]))
    return {name: percentiles(samples) for name, samples in found.items()}


def sample(run: Run, settled_ms: int) -> list[tuple[int, float]]:
    """Delays of a run with how many deliveries each stands for; its events are taken as received evenly in between.

    >>> sample(Run((1000, 0), (1900, 0), 0, 200, 1, 5, bytes([DELIVERED, DELIVERED, 19])), 2000)
    [(1000, 1.0), (100, 1.0)]
    """
    delivered = sum(code in {DELIVERED, PROPERTIES_REJECTED} for code in run.outcomes)
    if not delivered:
        return []
    points = min(delivered, _POINTS)
    first_ms, span_ms = run.first[0], run.last[0] - run.first[0]
    steps = max(1, points - 1)
    return [(max(0, settled_ms - first_ms - span_ms * n // steps), delivered / points) for n in range(points)]


def percentiles(samples: Iterable[tuple[int, float]]) -> Delays:
    """The median and the 99th percentile of weighted delays.

    >>> percentiles([(10, 98), (500, 2)]), percentiles([])
    (Delays(p50_ms=10, p99_ms=500), Delays(p50_ms=None, p99_ms=None))
    """
    ordered = sorted(samples)
    if not ordered:
        return Delays()
    sums = list(accumulate(weight for _, weight in ordered))

    def at(share: float) -> int:
        return next(delay for (delay, _), seen in zip(ordered, sums, strict=True) if seen >= share * sums[-1])

    return Delays(at(0.5), at(0.99))
