"""Integrations: a card for each Customer.io workspace; pause and resume."""

import time
from typing import Any

from worker.acts import holding
from worker.acts.record import Doer
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.charts import sparkline
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.console.waiting import wait_of
from worker.dead.advice import hold_advice
from worker.ledger.accounts import Account
from worker.ledger.figures import Ledger
from worker.ledger.sampling import samples_of
from worker.revisions.live import EMPTY
from worker.store.samples import Samples


class IntegrationsPage(Page):
    """`GET /integrations`; POST pauses or resumes one."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The cards."""
        if self._parts.live.loaded is EMPTY:
            return Redirect("/integrations/new")
        config = self._parts.integrations
        ledger = Ledger(self._parts)
        accounts = ledger.accounts()
        now_ms = time.time_ns() // 1_000_000
        counts = samples_of(accounts)
        series = Samples(self._parts.redis).series(config.integrations, "24h", now_ms, counts)
        facts = {
            "cards": [(config.integrations[one.integration], one, series[one.integration]) for one in accounts],
            "sparks": {
                name: sparkline(one, f"{name}, sent in 24 hours", f"spark-{name}") for name, one in series.items()
            },
            "state": badge,
            "broken": self._broken(ledger),
            "revision": self._parts.live.loaded.number,
            "sources": list(config.sources),
            "may_act": visit.viewer.may(Permission.ACT),
            "may_draft": visit.viewer.may(Permission.DRAFT),
        }
        return Screen("integrations.html", facts)

    def _broken(self, ledger: Ledger) -> list[str]:
        """What is wrong with the integrations file: all of it for this host's, the first error for another one's."""
        here = self._parts.on_disk.problems()
        there = ledger.fleet().broken
        return [*here, *(f"{host}: {problem}" for host, problem in there.items() if problem not in here)]

    def post(self, visit: Visit) -> Reply:
        """Pause or resume."""
        name, doer = visit.entered("integration"), Doer(visit.viewer.login, visit.entered("why"))
        back = f"/integrations/{name}" if visit.entered("back") else "/integrations"
        match visit.entered("act"):
            case "pause":
                copied = holding.hold(self._parts, name, doer)
                said = f"{name} is paused: its events wait, in order, until you resume it."
                return Redirect(back, said + _undone(copied=copied))
            case "resume":
                done = holding.resume(self._parts, name, doer)
                said = f"{name} is resumed." if done.was_held else f"{name} was not paused."
                return Redirect(back, said + _undone(copied=done.copied))
            case _:
                raise NoSuchPageError("There is no such action.")


def _undone(*, copied: bool) -> str:
    return "" if copied else " No replica of Redis has this yet: after a fail-over look here again."


def badge(account: Account) -> tuple[str, str]:
    """The kind and the word of an integration's state."""
    if not account.enabled:
        return "off", "DISABLED"
    if account.hold and account.hold.kind == "unauthorized":
        return "bad", "KEY REFUSED"
    if account.hold:
        return "warn", "PAUSED"
    if account.unserved:
        return "bad", "NOT SERVED"
    return ("good", "ENABLED") if account.send else ("new", "SHADOW")


def hold_facts(account: Account, now_ms: int, owner_file: str) -> dict[str, Any]:
    """What is said of a hold; `owner_file` owns the configuration, empty: none does."""
    hold = account.hold
    if hold is None:
        return {}
    return {
        "lasts_ms": now_ms - hold.since_ms,
        "due_ms": max(0, hold.next_probe_ms - now_ms),
        "why": wait_of(account.integration, hold).why,
        "advice": hold_advice(hold.kind, owner_file, hold.status, account.integration),
    }
