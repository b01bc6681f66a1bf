"""Activity: the newest events of everybody, searched by code, outcome and integration."""

from urllib.parse import urlencode

from config.catalogue import catalogue
from worker.app import Relay
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.telling import meaning, phrase
from worker.console.visit import Redirect, Reply, Screen, Visit
from worker.history.activity import Wanted
from worker.history.room import cursor_of, open_history

_LIMIT = 40
_BUDGET_S = 0.1
LOOK_S = 0.08
"""How long a page looks for one event or person before it says that there is more to look through, seconds."""
WHOLE_S = 3.0
"""And for whoever asks for everything: a console beside a running relay keeps no request for longer."""
OUTCOMES = {"delivered": "Sent", "filtered": "Not sent", "dead": "Failed", "waiting": "Waiting"}


class ActivityPage(Page):
    """`GET /activity`."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """A page of events, and the form that narrows it."""
        room = open_history(self._parts)
        wanted = Wanted(visit.asked("code"), _one_of(visit.asked("outcome"), OUTCOMES), visit.asked("integration"))
        try:
            found = room.activity(wanted, _LIMIT, visit.asked("next") or None, _BUDGET_S)
        except ValueError:
            return Redirect("/activity")
        narrowed = {"code": wanted.code, "outcome": wanted.outcome, "integration": wanted.integration}
        older = {**narrowed, "next": cursor_of(found.last)} if found.more and found.last else {}
        facts = {
            "found": found,
            "wanted": wanted,
            "codes": sorted(catalogue().events),
            "outcomes": OUTCOMES,
            "integrations": list(self._parts.integrations.integrations),
            "older": f"/activity?{urlencode({k: v for k, v in older.items() if v})}" if older else "",
            "is_first": not visit.asked("next"),
            "is_narrowed": any(narrowed.values()),
            "since_ms": room.since_ms,
            "personal": personal(self._parts, visit, "activity", "the list"),
            "meaning": meaning,
            "phrase": phrase,
        }
        return Screen("activity.html", facts)


class FindPage(Page):
    """`GET /find?q=`: goes to the event of that id, else to the person; `all` looks through everything for it."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The event's page where there is one, else the person's."""
        ident, everything = visit.asked("q").strip(), bool(visit.asked("all"))
        if not ident:
            return Redirect("/activity")
        finder = open_history(self._parts, budget_s=WHOLE_S if everything else LOOK_S).finder
        first = next(iter(finder.event(ident)), None) if finder.may_be(ident) else None
        if first is not None:
            return Redirect(f"/events/{first.shard}/{first.entry_id}")
        return Redirect(f"/people?{urlencode({'id': ident, **({'all': 'yes'} if everything else {})})}")


def _one_of(text: str, choices: dict[str, str]) -> str:
    return text if text in choices else ""
