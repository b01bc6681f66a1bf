"""The operation of the relay for Prometheus: releases, heartbeats, leases, queue, holds, requests, causes, needs."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from worker.customerio.traffic import BOUNDS_MS
from worker.ledger.accounts import Account
from worker.ledger.fleet import NEEDED, Fleet
from worker.ledger.operation import Operation


def of_release() -> Iterator[Metric]:
    """Which release exports this."""
    build = GaugeMetricFamily("relay_build_info", "1; the release and its Python.", labels=["version", "python"])
    build.add_metric([version("purchasely-customerio-relay"), platform.python_version()], 1)
    yield build


def of_fleet(found: Fleet) -> Iterator[Metric]:
    """Heartbeats, and the configuration in force."""
    seen = GaugeMetricFamily(
        "relay_heartbeat_age_seconds", "Since the last heartbeat of any process of a role, this hour.", labels=["role"]
    )
    for role in [*NEEDED, *sorted({one.role for one in found.processes} - set(NEEDED))]:
        ages = [one.silent_ms for one in found.processes if one.role == role]
        if ages:
            seen.add_metric([role], min(ages) / 1000)
    yield seen
    yield GaugeMetricFamily(
        "relay_config_published_timestamp_seconds",
        "When the configuration in force was published.",
        found.since_ms / 1000,
    )


def of_holds(accounts: Sequence[Account]) -> Iterator[Metric]:
    """Since when an integration is held, and until when."""
    label = ["integration"]
    since = GaugeMetricFamily("relay_hold_since_timestamp_seconds", "Since when it is held.", labels=label)
    probe = GaugeMetricFamily("relay_hold_next_probe_timestamp_seconds", "When it is tried next.", labels=label)
    failures = GaugeMetricFamily("relay_hold_failures", "Probes that failed in this hold.", labels=label)
    for account in accounts:
        hold = account.hold
        if hold is None:
            continue
        since.add_metric([account.integration], hold.since_ms / 1000)
        failures.add_metric([account.integration], hold.failures)
        if hold.next_probe_ms:
            probe.add_metric([account.integration], hold.next_probe_ms / 1000)
    yield from (since, probe, failures)


def of_operation(found: Operation, names: Sequence[str]) -> Iterator[Metric]:
    """What the workers do just now and have done; `names` are the integrations."""
    leases = GaugeMetricFamily("relay_leases", "Lanes that a worker has in hand.", labels=["integration"])
    for name, number in found.leases.items():
        leases.add_metric([name], number)
    queue = GaugeMetricFamily("relay_broker_queue_messages", "Messages that wait at the broker.")
    if found.queue is not None:
        queue.add_metric([], found.queue)
    dead = GaugeMetricFamily("relay_dead_letters", "Dead letters kept, by reason.", labels=["integration", "reason"])
    for (name, reason), number in sorted(found.dead.items()):
        dead.add_metric([name, reason], number)
    yield from (leases, queue, dead)
    yield from _of_requests(found, names)
    yield CounterMetricFamily("relay_trimmed_events", "Settled events that left the streams.", found.trimmed)
    needs = GaugeMetricFamily("relay_needs", "Things that need somebody, by kind; see `relay alerts`.", labels=["kind"])
    for kind, number in found.needs.items():
        needs.add_metric([kind], number)
    yield needs


def _of_requests(found: Operation, names: Sequence[str]) -> Iterator[Metric]:
    asked = CounterMetricFamily(
        "relay_customerio_requests",
        "Requests to Customer.io, by status of the answer.",
        labels=["integration", "status"],
    )
    took = HistogramMetricFamily(
        "relay_customerio_request_duration_seconds", "From a request to its answer.", labels=["integration"]
    )
    for name in names:
        one = found.requests.get(name)
        if one is None:
            continue
        for status, number in sorted(one.statuses.items()):
            asked.add_metric([name, status], number)
        took.add_metric([name], buckets(one.durations, BOUNDS_MS), one.sum_ms / 1000)
    yield from (asked, took)


def buckets(counts: Mapping[str, int], bounds_ms: Sequence[int]) -> list[tuple[str, float]]:
    """Counts by upper bound in milliseconds ("inf": above all), as Prometheus adds them up.

    >>> buckets({"5": 2, "inf": 1}, (5, 10))
    [('0.005', 2.0), ('0.01', 2.0), ('+Inf', 3.0)]
    """
    seen = 0
    found: list[tuple[str, float]] = []
    for bound in bounds_ms:
        seen += counts.get(str(bound), 0)
        found.append((str(bound / 1000), float(seen)))
    return [*found, ("+Inf", float(seen + counts.get("inf", 0)))]
