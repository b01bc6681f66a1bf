"""Settings: who is logged in, which processes run, what the checks find, how far back the past reaches."""

import time

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.ledger.figures import Ledger
from worker.machine.inspection import look_at_file, look_at_keys
from worker.store.sessions import Sessions


class SettingsPage(Page):
    """`GET /settings`; POST ends a session. `?check=yes` asks Customer.io about each key, and looks at the books."""

    does = Permission.ACCESS

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """Everything that is set outside the integrations file."""
        parts, ledger = self._parts, Ledger(self._parts)
        figures = ledger.figures()
        is_checked = visit.asked("check") == "yes"
        facts_found = [*look_at_file(parts.integrations)] if is_checked else []
        if is_checked:
            facts_found += look_at_keys(parts.integrations, parts.settings.request_timeout_s)
        admin = visit.viewer.may(Permission.ACCESS)
        facts = {
            "fleet": figures.fleet,
            "past": figures.past,
            "bounds": figures.bounds,
            "settings": parts.settings,
            "checked": facts_found,
            "audit": ledger.audit() if is_checked else None,
            "is_checked": is_checked,
            "sessions": Sessions(parts.redis).list() if admin else [],
            "alerts": len(parts.settings.alert_urls.get_secret_value().split()),
            "is_admin": admin,
            "now_ms": time.time_ns() // 1_000_000,
        }
        return Screen("settings.html", facts)

    def post(self, visit: Visit) -> Reply:
        """End a session."""
        ident = visit.entered("session")
        if not ident:
            raise NoSuchPageError("There is no such session.")
        Sessions(self._parts.redis).end(ident)
        record(self._parts.redis, Doer(visit.viewer.login), "console session end", f"session {ident[:8]}", "ended")
        return Redirect("/settings", "That session is ended.")
