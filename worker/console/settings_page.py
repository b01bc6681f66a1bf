"""Settings: who is logged in, which processes run, what the checks find, how far back the past reaches."""

import time

from worker.acts.record import Doer, record
from worker.alerts.targets import read_targets
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.errors import OperatorError
from worker.ledger.figures import Ledger
from worker.machine.checkup import look_around
from worker.machine.inspection import look_at_file
from worker.store.sessions import Sessions

# What `relay check` looks at, with its title.
AREAS = {
    "file": "Integrations file",
    "customer.io": "Customer.io",
    "redis": "Redis",
    "broker": "Broker",
    "archive": "Archive",
}


class SettingsPage(Page):
    """`GET /settings`; POST ends a session. What the file says of itself is there at once.

    `?check=yes` finds what `relay check` does: it asks Customer.io about each key, the servers, and looks at the books.
    """

    does = Permission.ACCESS

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """Everything that is set outside the integrations file."""
        parts, ledger = self._parts, Ledger(self._parts)
        figures = ledger.figures()
        is_checked = visit.asked("check") == "yes"
        found = look_at_file(parts.integrations)
        if is_checked:
            found += look_around(parts.settings, lambda: parts.redis, parts.integrations)
        admin = visit.viewer.may(Permission.ACCESS)
        facts = {
            "fleet": figures.fleet,
            "past": figures.past,
            "bounds": figures.bounds,
            "settings": parts.settings,
            "checked": [(title, [one for one in found if one.area == area]) for area, title in AREAS.items()],
            "audit": ledger.audit() if is_checked else None,
            "is_checked": is_checked,
            "sessions": Sessions(parts.redis).list() if admin else [],
            "alerts": _targets(parts),
            "needs": len(ledger.needs_of(figures, [])),
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


def _targets(parts: Relay) -> list[str]:
    """What alerts are sent to, by number and kind: the addresses hold secrets."""
    try:
        return [target.name for target in read_targets(parts.settings.alert_urls.get_secret_value())]
    except OperatorError as error:
        return [str(error)]
