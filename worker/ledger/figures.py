"""All figures of one relay, read with the parts of a process: for the metrics, `relay status` and `relay audit`."""

from worker.app import Relay
from worker.ledger.accounts import Account, accounts, intake
from worker.ledger.audit import Audit, audit
from worker.ledger.fleet import Fleet, fleet
from worker.ledger.headroom import Bound, bounds
from worker.ledger.metrics import Figures
from worker.ledger.past import Past, past
from worker.ledger.recent import Delays, recent_delays
from worker.store.stream import lanes_of


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

    def accounts(self) -> list[Account]:
        """Every integration's account."""
        config = self._parts.integrations
        holds = self._holds.get(config.integrations)
        return accounts(self._redis, config, holds, self._settings.shards)

    def delays(self) -> dict[str, Delays]:
        """How long each integration's deliveries took lately."""
        return recent_delays(self._redis, lanes_of(self._parts.integrations, self._settings.shards))

    def intake(self) -> dict[str, dict[str, int]]:
        """What each source has sent."""
        return intake(self._redis, self._parts.integrations.sources, self._settings.shards)

    def bounds(self) -> list[Bound]:
        """How near the bounds are."""
        dead = self._dead_letters.totals(self._parts.integrations.integrations)
        return bounds(self._redis, dead, self._settings.dead_limit, self._settings.max_memory_percent)

    def fleet(self) -> Fleet:
        """The processes as of now."""
        return fleet(self._redis, self._processes, self._revisions)

    def audit(self) -> Audit:
        """The books against Redis's own counts."""
        return audit(self._redis, self._parts.integrations, self._settings.shards)

    def past(self) -> Past:
        """How far back the past reaches."""
        return past(self._redis, list(self._parts.integrations.sources), self._settings.shards)

    def figures(self) -> Figures:
        """Everything that is exported."""
        return Figures(self.intake(), self.accounts(), self.bounds(), self.fleet(), self.past())
