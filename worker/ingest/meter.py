"""Meter of a web process: answers by route and status, and how long they took; for its own metrics."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# As labels: the paths without the source's name, which anybody may choose.
ROUTES: Final = {"/webhooks/purchasely": "webhook", "/v1/events": "events"}


class Meter(Collector):
    """Counts of one process, made by the event loop alone."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], int] = {}
        self._took: dict[str, list[int]] = {route: [0] * (len(BOUNDS_S) + 1) for route in ROUTES}
        self._sums: dict[str, float] = dict.fromkeys(ROUTES, 0.0)

    def add(self, route: str, status: int, took_s: float) -> None:
        """Count one answer; called for every event, so it does no more than this."""
        took = self._took.get(route)
        if took is None:
            return  # a path that anybody may choose is no label
        key = (route, status)
        self._answers[key] = self._answers.get(key, 0) + 1
        took[bisect_left(BOUNDS_S, took_s)] += 1
        self._sums[route] += took_s

    def collect(self) -> Iterator[Metric]:
        """The families of the counts."""
        answers = CounterMetricFamily(
            "relay_http_requests", "Requests of senders answered by this process.", labels=["route", "status"]
        )
        took = HistogramMetricFamily(
            "relay_http_request_duration_seconds", "From a request's head to its answer.", labels=["route"]
        )
        for (route, status), number in sorted(self._answers.items()):
            answers.add_metric([ROUTES[route], str(status)], number)
        for route, name in ROUTES.items():
            seen, rows = 0, []
            for bound, number in zip([*map(str, BOUNDS_S), "+Inf"], self._took[route], strict=True):
                seen += number
                rows.append((bound, float(seen)))
            took.add_metric([name], rows, self._sums[route])
        yield from (answers, took)

    def render(self) -> bytes:
        """The exposition of the counts, with the memory, CPU and files of the process."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)
        return generate_latest(registry)
