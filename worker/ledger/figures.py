"""All figures of one relay, read with the parts of a process: for the metrics, `relay status` and `relay audit`."""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from worker.app import Relay
from worker.dead.filters import Filter
from worker.ledger.accounts import Account, accounts, intake
from worker.ledger.audit import Audit, Finding, audit
from worker.ledger.fleet import Fleet, fleet, unserved
from worker.ledger.headroom import Bound, bounds
from worker.ledger.metrics import Figures
from worker.ledger.need import Need
from worker.ledger.needs import needs
from worker.ledger.operation import Operation, broker_fault, read_counters, read_leases, read_queue
from worker.ledger.past import past
from worker.ledger.recent import Delays, recent_delays
from worker.ledger.trends import Trend, trend
from worker.revisions.live import EMPTY
from worker.store.keys import CERTIFICATES
from worker.store.lane import lanes_of
from worker.store.refusals import Refusals, Refused
from worker.store.samples import Samples
from worker.store.tally import Tallies, tally_all

_NO_CONFIG = Need(
    "config:none",
    "config",
    "there is no configuration yet: events are refused",
    "`relay config apply FILE` writes the first one",
)


class Ledger:
    """What a process can read of the books; each figure is read when it is asked for."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts  # for its configuration alone: there may be none yet, and some figures need none
        self._redis = parts.redis
        self._holds = parts.holds
        self._dead_letters = parts.dead_letters
        self._processes = parts.processes
        self._revisions = parts.revisions
        self._settings = parts.settings

    def tallies(self) -> Tallies:
        """What every shard holds, in one round trip."""
        return tally_all(self._redis, self._parts.integrations, self._settings.shards)

    def accounts(self, tallies: Tallies | None = None, found: Fleet | None = None) -> list[Account]:
        """Every integration's account; of these tallies and processes, if they are read already."""
        config = self._parts.integrations
        processes = found.processes if found else self._processes.all()
        holds = self._holds.get(config.integrations)
        return accounts(tallies or self.tallies(), config, holds, unserved(processes))

    def delays(self) -> dict[str, Delays]:
        """How long each integration's deliveries took lately."""
        return recent_delays(self._redis, lanes_of(self._parts.integrations, self._settings.shards))

    def bounds(self, dead: Mapping[str, int] | None = None) -> list[Bound]:
        """How near the bounds are; `dead` are the dead letters of each integration, if they are known."""
        totals = self._dead_letters.totals(self._parts.integrations.integrations) if dead is None else dead
        return bounds(self._redis, totals, self._settings.dead_limit, self._settings.max_memory_percent)

    def fleet(self) -> Fleet:
        """The processes as of now."""
        return fleet(self._redis, self._processes, self._revisions)

    def owning_file(self, found: Fleet | None = None) -> str:
        """The file that owns the configuration, here or where the processes are; empty: none does."""
        return str(self._settings.integrations or "") or (found or self.fleet()).owning_file

    def audit(self) -> Audit:
        """The books against Redis's own counts."""
        return audit(self._redis, self._parts.integrations, self._settings.shards)

    def figures(self) -> Figures:
        """Everything that is exported."""
        tallies = self.tallies()
        dead: dict[str, int] = {}
        for group in (group for one in tallies.values() for group in one.groups):
            dead[group.name] = dead.get(group.name, 0) + group.letters
        found = self.fleet()
        each = self.accounts(tallies, found)
        return Figures(
            intake(tallies),
            each,
            self.bounds(dead),
            found,
            past(self._redis, tallies),
            broker=broker_fault(self._parts.broker, each),
        )

    def needs(self) -> list[Need]:
        """What needs somebody, the urgent first."""
        if self._parts.live.loaded is EMPTY:
            return [_NO_CONFIG]
        return self.needs_of(self.figures(), self.audit().findings)

    def needs_of(self, figures: Figures, findings: Iterable[Finding]) -> list[Need]:
        """The same, of figures that are read already and what an audit found, if there was one."""
        if self._parts.live.loaded is EMPTY:
            return [_NO_CONFIG]
        now_ms = time.time_ns() // 1_000_000
        file = self.owning_file(figures.fleet)
        return needs(figures, findings, now_ms, self.trends(now_ms), self._certificates(), self.refused(), file)

    def trends(self, now_ms: int) -> dict[str, Trend]:
        """What is unusual about each integration that takes events."""
        names = [one.name for one in self._parts.integrations.integrations.values() if one.enabled]
        samples = Samples(self._redis)
        day, week = samples.series(names, "24h", now_ms), samples.series(names, "7d", now_ms)
        return {name: trend(day[name], week[name], self._settings.alert_silent_h) for name in names}

    def refused(self) -> list[Refused]:
        """Requests of senders that were refused within the hour."""
        return Refusals(self._redis).of_last_hour()

    def _certificates(self) -> dict[str, int]:
        found: Any = self._redis.hgetall(CERTIFICATES)
        return {name.decode(): int(until_ms) for name, until_ms in found.items()}

    def exported(self) -> Figures | None:
        """The same with the operation, for the one host that exports what is of all; None: another one does."""
        if not self.fleet().leads(socket.gethostname()):
            return None
        figures = self.figures()
        found = Counter(str(need.kind) for need in self.needs_of(figures, ()))  # no audit at each scrape
        return msgspec.structs.replace(figures, operation=self._operation(dict(found)))

    def _operation(self, found: dict[str, int]) -> Operation:
        config = self._parts.integrations
        requests, trimmed = read_counters(self._parts.counters)
        dead: Counter[tuple[str, str]] = Counter()
        for cause in self._dead_letters.causes.list(config.integrations, Filter()):
            dead[cause.integration, cause.reason] += cause.count
        leases = read_leases(self._redis, lanes_of(config, self._settings.shards))
        return Operation(leases, read_queue(self._parts.broker), requests, dict(dead), trimmed, found)
