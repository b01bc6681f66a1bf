"""Traffic to Customer.io: requests by answer and duration, counted in this process until its pulse hands them on."""

from bisect import bisect_left
from typing import Final

from worker.process.counts import Counts

BOUNDS_MS: Final = (50, 100, 250, 500, 1000, 2500, 5000, 10_000)


class Traffic(Counts[str]):
    """Counts of requests; any thread may add to them.

    A count's name is `request:<integration>:<status>` (status 0: no answer), `request_ms:<integration>:<bound>` (by
    upper bound in milliseconds), or `request_sum_ms:<integration>`.
    """

    def add(self, integration: str, status: int, took_ms: int) -> None:
        """Count one request."""
        at = bisect_left(BOUNDS_MS, took_ms)
        bound = BOUNDS_MS[at] if at < len(BOUNDS_MS) else "inf"
        self.give(
            {
                f"request:{integration}:{status}": 1,
                f"request_ms:{integration}:{bound}": 1,
                f"request_sum_ms:{integration}": took_ms,
            }
        )


TRAFFIC = Traffic()  # one a process: a child of a worker begins with what its parent has, which sends nothing
