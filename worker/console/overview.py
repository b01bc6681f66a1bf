"""Overview: what needs somebody, and each integration's way from received to sent."""

import time
from typing import Any, get_args

import redis

from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.cards import badge
from worker.console.charts import bars
from worker.console.fresh import Fresh
from worker.console.page import Page
from worker.console.visit import Redirect, Reply, Screen, Visit
from worker.ledger.audit import Finding
from worker.ledger.figures import Ledger
from worker.ledger.need import Need
from worker.ledger.sampling import samples_of
from worker.revisions.live import EMPTY
from worker.store.samples import Range, Samples

SPANS: dict[Range, str] = {"15m": "15 minutes", "24h": "24 hours", "7d": "7 days"}
_AUDITED_S = 30.0
# Where each kind of need is looked into.
_PLACES = {
    "held": "/integrations",
    "late": "/integrations",
    "failing": "/failures",
    "silent": "/activity",
    "books": "/settings",
}


class OverviewPage(Page):
    """`GET /`. When Redis is away it shows what it showed last, with its time."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._last: dict[str, Any] = {}
        self._audited: Fresh[None, list[Finding]] = Fresh(_AUDITED_S, time.monotonic)

    def get(self, visit: Visit) -> Reply:
        """The figures, as of now or as last seen."""
        span = _span(visit.asked("span"))
        try:
            facts = self._facts(span)
        except (redis.RedisError, OSError):
            if before := self.away(visit):
                return before
            raise
        if facts is None:
            return Redirect("/integrations/new")
        self._last = facts
        return Screen("overview.html", {**facts, "may_act": visit.viewer.may(Permission.ACT)})

    def away(self, _visit: Visit) -> Reply | None:
        """The last figures, greyed."""
        return Screen("overview.html", {**self._last, "is_stale": True}, 503) if self._last else None

    def _facts(self, span: Range) -> dict[str, Any] | None:
        if self._parts.live.loaded is EMPTY:
            return None
        ledger, now_ms = Ledger(self._parts), time.time_ns() // 1_000_000
        figures = ledger.figures()
        accounts = figures.accounts
        counts = samples_of(accounts)
        series = Samples(self._parts.redis).series(counts, span, now_ms, counts)
        return {
            "needs": [(need, place_of(need)) for need in ledger.needs_of(figures, self._findings(ledger))],
            "rows": [(one, series[one.integration]) for one in accounts],
            "charts": {name: bars(one, f"{name}, {SPANS[span]}", f"chart-{name}") for name, one in series.items()},
            "delays": ledger.delays(),
            "span": span,
            "spans": SPANS,
            "state_of": badge,
            "sources": list(self._parts.integrations.sources),
            "past": figures.past,
            "fleet": figures.fleet,
            "at_ms": now_ms,
            "is_stale": False,
            "may_act": False,
        }

    def _findings(self, ledger: Ledger) -> list[Finding]:
        """What the audit finds; it looks at every book, so its answer is kept for a while."""
        found = self._audited.get(None)
        if found is None:
            found = ledger.audit().findings
            self._audited.keep(None, found)
        return found


def place_of(need: Need) -> str:
    """The page where a need is looked into."""
    if need.kind == "held":
        return f"/integrations/{need.integration}"
    return _PLACES.get(need.kind, "/settings")


def _span(asked: str) -> Range:
    found: Range = asked if asked in get_args(Range) else "24h"  # type: ignore[assignment]
    return found
