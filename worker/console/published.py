"""After publishing: who runs the revision, and what became of events since; one click goes back."""

import time
from contextlib import suppress

from worker.acts.publishing import uptake
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.history import find_revision
from worker.console.page import Page
from worker.console.visit import Reply, Screen, Visit
from worker.ledger.figures import Ledger
from worker.ledger.sampling import samples_of
from worker.revisions.store import UnreadableError
from worker.store.samples import Samples

_WATCH_MS = 10 * 60_000


class PublishedPage(Page):
    """`GET /published/{number}`."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """Live on how many processes, and the first ten minutes of it."""
        one = find_revision(self._parts, visit.path["number"])
        now_ms = time.time_ns() // 1_000_000
        names, accounts = list(self._parts.integrations.integrations), Ledger(self._parts).accounts()
        series = Samples(self._parts.redis).series(names, "15m", now_ms, samples_of(accounts))
        since = {name: [p for p in found.points if p.at_ms >= one.at_ms - 60_000] for name, found in series.items()}
        before = 0
        with suppress(UnreadableError):
            before = self._parts.revisions.get(one.number - 1).number if one.number > 1 else 0
        facts = {
            "revision": one,
            "head": self._parts.revisions.head(),
            "before": before,
            "uptake": uptake(self._parts, one.number),
            "since": {
                name: (sum(p.sent for p in found), sum(p.failed for p in found)) for name, found in since.items()
            },
            "accounts": accounts,
            "is_watching": now_ms - one.at_ms < _WATCH_MS,
            "lasts_ms": now_ms - one.at_ms,
            "may_publish": visit.viewer.may(Permission.PUBLISH),
        }
        return Screen("published.html", facts)
