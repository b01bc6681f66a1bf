"""Activity: the newest events of everybody, searched by event id, person, code, outcome, integration and time."""

import re
import time
from urllib.parse import urlencode

from config.catalogue import catalogue
from worker.app import Relay
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.telling import meaning, phrase
from worker.console.visit import Redirect, Reply, Screen, Visit
from worker.dead.filters import read_time_ms
from worker.history.activity import Wanted
from worker.history.cursor import cursor_of
from worker.history.room import open_history
from worker.history.scan import ALWAYS, Span

_LIMIT = 40
_MINUTE_MS = 60_000
_FIELDS = ("id", "person", "code", "outcome", "integration", "from", "to")
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
        everything = bool(visit.asked("all"))
        room = open_history(self._parts, budget_s=WHOLE_S if everything else LOOK_S)
        wanted, unread = _wanted(visit)
        try:
            found = room.activity(wanted, _LIMIT, visit.asked("next") or None, _BUDGET_S)
        except ValueError:
            return Redirect("/activity")
        narrowed = {name: visit.asked(name).strip() for name in _FIELDS if visit.asked(name).strip()}
        kept = {**narrowed, "all": "yes"} if everything else narrowed
        older = {**kept, "next": cursor_of(found.last)} if found.more and found.last else {}
        facts = {
            "found": found,
            "wanted": wanted,
            "codes": sorted(catalogue().events),
            "outcomes": OUTCOMES,
            "integrations": list(self._parts.integrations.integrations),
            "asked": {name: visit.asked(name).strip() for name in _FIELDS},
            "unread": unread,
            "address": f"/activity?{urlencode(kept)}" if kept else "/activity",
            "older": f"/activity?{urlencode(older)}" if older else "",
            "onward": f"/activity?{urlencode({**narrowed, 'all': 'yes'})}"
            if wanted.is_of_one and not everything
            else "",
            "is_cut": wanted.is_of_one and room.scan.is_cut,
            "looked_at": room.scan.looked_at if wanted.is_of_one else found.looked_at,
            "is_first": not visit.asked("next"),
            "is_narrowed": bool(narrowed),
            "since_ms": room.since_ms,
            "personal": personal(self._parts, visit, "activity", "the list"),
            "meaning": meaning,
            "phrase": phrase,
        }
        return Screen("activity.html", facts)


class FindPage(Page):
    """`GET /find?q=`: goes to the event of that id, else to the person; `all` looks through everything for it.

    Where that took too long, `before` (Unix ms) goes on from there.
    """

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The event's page where there is one, else the person's."""
        ident, before_ms = visit.asked("q").strip(), before(visit)
        everything = bool(visit.asked("all") or before_ms)
        if not ident:
            return Redirect("/activity")
        person = f"/people?{urlencode({'id': ident, **({'all': 'yes'} if everything else {})})}"
        room = open_history(self._parts, budget_s=WHOLE_S if everything else LOOK_S)
        if not room.finder.may_be(ident):
            return Redirect(person)
        span = ALWAYS if before_ms is None else Span(None, before_ms)
        first = next(iter(room.finder.event(ident, span=span)), None)
        if first is not None:
            return Redirect(f"/events/{first.shard}/{first.entry_id}")
        if not (everything and room.scan.is_cut):
            return Redirect(person)
        facts = {
            "further": f"/find?{urlencode({'q': ident, 'before': room.scan.reached_ms})}",
            "person": person,
            "looked_at": room.scan.looked_at,
            "reached_ms": room.scan.reached_ms,
            "since_ms": room.since_ms,
        }
        return Screen("find.html", facts)


def before(visit: Visit) -> int | None:
    """Where a search that was cut goes on, Unix ms; None: it begins."""
    text = visit.asked("before")
    return int(text) if re.fullmatch("[0-9]{13}", text) else None


def _wanted(visit: Visit) -> tuple[Wanted, list[str]]:
    """What is looked for, and which fields of the time could not be read."""
    bounds: dict[str, int] = {}
    unread = []
    now_ms = time.time_ns() // 1_000_000
    for name in ("from", "to"):
        if text := visit.asked(name).strip():
            try:
                bounds[name] = read_time_ms(text, now_ms)
            except ValueError:
                unread.append(name)
    until_ms = bounds["to"] + _MINUTE_MS - 1 if "to" in bounds else None  # a field of a form has whole minutes
    span = Span(bounds.get("from"), until_ms)
    outcome = _one_of(visit.asked("outcome"), OUTCOMES)
    code, integration = visit.asked("code").strip(), visit.asked("integration")
    return Wanted(code, outcome, integration, visit.asked("id").strip(), visit.asked("person").strip(), span), unread


def _one_of(text: str, choices: dict[str, str]) -> str:
    return text if text in choices else ""
