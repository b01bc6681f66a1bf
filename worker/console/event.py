"""One event: as it was received, and what became of it in each integration."""

import re
from urllib.parse import urlencode

from config.errors import ConfigError
from config.integrations import Integrations
from worker.acts.record import Doer
from worker.acts.replaying import look_at_one, send_one
from worker.app import Relay
from worker.console.access.places import local_path
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.jobs import is_going
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.telling import meaning, phrase
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.history.explaining import explain_now
from worker.history.find import Found
from worker.history.room import open_history

_ENTRY = re.compile(r"\d{1,20}-\d{1,20}")
_GONE = {"forgotten": "Its person was forgotten.", "trimmed": "It is older than what is kept."}


class EventPage(Page):
    """`GET /events/{shard}/{entry}`; POST sends it to one integration again."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """Everything that is kept of it."""
        shard, entry = visit.path["shard"], visit.path["entry"]
        room = open_history(self._parts)
        ident = f"{shard}/{entry}"
        found = list(room.finder.event(ident)) if shard.isdigit() and _ENTRY.fullmatch(entry) else []
        if not found:
            raise NoSuchPageError(
                f"No event {ident} is kept. {_GONE.get(room.gone(ident), 'None was received there.')}"
            )
        traces = [room.tracer.trace(one) for one in found]
        facts = {
            "pairs": [(one, trace) for one, trace in zip(found, traces, strict=True)],
            "place": ident,
            "personal": personal(self._parts, visit, "event", ident),
            "meaning": meaning,
            "phrase": phrase,
            "is_going": is_going(self._parts, visit),
            "now": self._now(found[0], self._parts.integrations) if visit.viewer.may(Permission.ACT) else {},
            "drafted": self._drafted(visit, found[0]),
            "may_act": visit.viewer.may(Permission.ACT),
        }
        return Screen("event.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Send it to one integration again, as a job."""
        ident, name = f"{visit.path['shard']}/{visit.path['entry']}", visit.entered("integration")
        known = name in self._parts.integrations.integrations
        found = next(iter(open_history(self._parts).finder.event(ident)), None) if known else None
        if found is None or found.source != self._parts.integrations.integrations[name].source:
            raise NoSuchPageError("That event is not kept, or there is no such integration.")
        job = send_one(self._parts, name, look_at_one(self._parts, name, found), Doer(visit.viewer.login))
        back = local_path(visit.entered("back")) if visit.entered("back") else f"/events/{ident}"
        shown = f"{back}{'&' if '?' in back else '?'}{urlencode({'job': job.id})}"
        return Redirect(shown, f"{job.id} sends it to {name}; this page shows what became of it.")

    def _now(self, found: Found, config: Integrations) -> dict[str, tuple[str, str]]:
        """What would become of it now, by integration: the outcome and why."""
        said = {}
        for one in config.of_source(found.source):
            made = explain_now(self._parts, found.event, one)
            said[one.name] = (str(made["outcome"]), str(made["reason"]))
        return said

    def _drafted(self, visit: Visit, found: Found) -> dict[str, tuple[str, str]]:
        """The same under the viewer's draft, if they have one."""
        draft = self._desk.open(visit.viewer.login)
        if not draft.is_changed or not visit.viewer.may(Permission.ACT):
            return {}
        try:
            return self._now(found, self._desk.read(draft))
        except ConfigError:
            return {}
