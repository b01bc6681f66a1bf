"""The figures for Prometheus; labels are names from the integrations file, never a person or an event."""

from collections.abc import Iterator

import msgspec
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from worker.ledger.accounts import Account
from worker.ledger.fleet import NEEDED, Fleet
from worker.ledger.headroom import Bound
from worker.ledger.operation import Operation
from worker.ledger.operation_metrics import buckets, of_fleet, of_holds, of_operation, of_release
from worker.ledger.past import Past
from worker.store.settling import LATENCY_BOUNDS_MS


class Figures(msgspec.Struct, frozen=True):
    """What is exported: the intake of each source, every integration's account, the bounds, processes, the past.

    `broker`: why it carries no wake-up while events wait; empty: it does.
    """

    intake: dict[str, dict[str, int]]
    accounts: list[Account]
    bounds: list[Bound]
    fleet: Fleet
    past: Past
    operation: Operation = Operation()
    broker: str = ""


def render(figures: Figures | None) -> bytes:
    """The exposition of these figures; None: another host exports them, since they are of all hosts together."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Exposition(figures))
    return generate_latest(registry)


class _Exposition(Collector):
    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """One family a figure."""
        yield GaugeMetricFamily(
            "relay_exporter", "1 on the host that exports what is of all.", int(bool(self._figures))
        )
        yield from of_release()
        if self._figures is not None:
            yield from _of_all(self._figures)


def _of_all(figures: Figures) -> Iterator[Metric]:
    stored = CounterMetricFamily("relay_stored_events", "Events stored, each once.", labels=["source"])
    twice = CounterMetricFamily("relay_duplicate_events", "Events received again.", labels=["source"])
    rival = CounterMetricFamily(
        "relay_conflicting_event_ids",
        "Events stored under an event id that was in use for another.",
        labels=["source"],
    )
    lost = CounterMetricFamily(
        "relay_redis_lost_writes",
        "Events that Redis lost after a 200, as in a fail-over.",
        labels=["source"],
    )
    back = CounterMetricFamily(
        "relay_redis_restored_writes", "Of them, events that came back from the doors' memory.", labels=["source"]
    )
    for source, counts in figures.intake.items():
        lost.add_metric([source], counts["lost"])
        back.add_metric([source], counts["restored"])
        stored.add_metric([source], counts["accepted"])
        twice.add_metric([source], counts["duplicates"])
        rival.add_metric([source], counts["conflicting"])
    yield from (stored, twice, rival, lost, back)
    yield from _of_integrations(figures.accounts)
    yield from _of_bounds(figures.bounds)
    yield from _of_fleet(figures.fleet)
    yield from _of_past(figures.past)
    yield from of_fleet(figures.fleet)
    yield from of_holds(figures.accounts)
    yield from of_operation(figures.operation, [account.integration for account in figures.accounts])


def _of_integrations(found: list[Account]) -> Iterator[Metric]:
    label = ["integration"]
    accepted = CounterMetricFamily("relay_accepted_events", "Events the integration answers for.", labels=label)
    delivered = CounterMetricFamily("relay_delivered_events", "Events Customer.io accepted.", labels=label)
    filtered = CounterMetricFamily("relay_filtered_events", "Events kept out, by reason.", labels=[*label, "reason"])
    dead = GaugeMetricFamily("relay_dead_events", "Events that are dead letters.", labels=label)
    untold = GaugeMetricFamily(
        "relay_rejected_properties_events",
        "Dead letters of events that were taken, and their properties refused.",
        labels=label,
    )
    waiting = GaugeMetricFamily("relay_waiting_events", "Events not settled yet.", labels=label)
    oldest = GaugeMetricFamily("relay_oldest_waiting_seconds", "Age of the oldest waiting event.", labels=label)
    held = GaugeMetricFamily("relay_held", "1 while the integration is held, by kind.", labels=[*label, "kind"])
    lost = GaugeMetricFamily("relay_unaccounted_events", "What the books cannot explain; always 0.", labels=label)
    took = HistogramMetricFamily("relay_delivery_seconds", "Received to delivered.", labels=label)
    for account in found:
        name = [account.integration]
        accepted.add_metric(name, account.accepted)
        delivered.add_metric(name, account.delivered)
        for reason, count in account.filtered.items():
            filtered.add_metric([*name, reason], count)
        dead.add_metric(name, account.dead)
        untold.add_metric(name, account.properties)
        waiting.add_metric(name, account.waiting)
        oldest.add_metric(name, account.oldest_ms / 1000)
        held.add_metric([*name, account.hold.kind if account.hold else ""], 1 if account.hold else 0)
        lost.add_metric(name, account.unaccounted)
        took.add_metric(name, buckets(account.latency, LATENCY_BOUNDS_MS), account.latency_ms / 1000)
    yield from (accepted, delivered, filtered, dead, untold, waiting, oldest, held, lost, took)


def _of_bounds(found: list[Bound]) -> Iterator[Metric]:
    dead = GaugeMetricFamily("relay_dead_limit_events", "Dead letters at which it is held.", labels=["integration"])
    used = GaugeMetricFamily("relay_redis_memory_bytes", "Memory that Redis uses.")
    most = GaugeMetricFamily("relay_redis_memory_limit_bytes", "Memory above which ingest answers 503.")
    for bound in found:
        if bound.what == "memory":
            used.add_metric([], bound.now)
            most.add_metric([], bound.limit)
        else:
            dead.add_metric([bound.integration], bound.limit)
    yield from (dead, used, most)


def _of_past(found: Past) -> Iterator[Metric]:
    yield GaugeMetricFamily("relay_past_seconds", "How far back the retained events reach.", found.reach_s)
    failing = "1 while the archive does not take what is to be trimmed."
    yield GaugeMetricFamily("relay_archive_failing", failing, int(found.archive.failing_since_ms > 0))
    yield CounterMetricFamily("relay_archived_events", "Events written to the archive.", found.archive.events)
    yield CounterMetricFamily("relay_archived_files", "Files written to the archive.", found.archive.files)


def _of_fleet(found: Fleet) -> Iterator[Metric]:
    inforce = GaugeMetricFamily("relay_config_revision", "Number of the configuration in force; 0: none yet.")
    inforce.add_metric([], found.revision)
    alive = GaugeMetricFamily("relay_processes", "Processes alive, by role.", labels=["role"])
    behind = GaugeMetricFamily("relay_processes_behind", "Of them, on another revision.", labels=["role"])
    missing = GaugeMetricFamily("relay_processes_without_secrets", "Of them, without a secret.", labels=["role"])
    roles = [*NEEDED, *sorted({one.role for one in found.processes if one.alive} - set(NEEDED))]
    for role in roles:
        mine = [one for one in found.processes if one.alive and one.role == role]
        alive.add_metric([role], len(mine))
        behind.add_metric([role], sum(one in found.behind for one in mine))
        missing.add_metric([role], sum(one.missing > 0 for one in mine))
    yield from (inforce, alive, behind, missing)
