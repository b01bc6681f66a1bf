"""One person: the timeline in sentences, the properties now, and what may be done about them."""

from urllib.parse import urlencode

from config.errors import ConfigError
from worker.acts import people
from worker.acts.record import Doer
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.activity import LOOK_S, WHOLE_S, before
from worker.console.drafting import Desk
from worker.console.jobs import is_going
from worker.console.page import Page
from worker.console.personal import Personal, personal
from worker.console.rendering import day
from worker.console.telling import meaning, phrase
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.history.drafted import Draft
from worker.history.room import History, open_history
from worker.history.room import PersonPage as Timeline
from worker.history.timeline import PropertyValue
from worker.people.in_words import Part
from worker.people.properties import DATE_PROPERTIES
from worker.process.plain import plain
from worker.purchasely.person import plain_name

_LIMIT = 25
# Why an event was not sent that a person may send all the same, or that may be sent by now.
_SENDABLE = frozenset({"event_off", "late", "anonymous", "discarded", "disabled"})


class PersonPage(Page):
    """`GET /people?id=` or `?event=SHARD/ENTRY`; the second names nobody in the address. POST suppresses or forgets.

    It shows what is found soon, newest first; `all` is the whole timeline, which the page's script goes on to. Where
    that took too long and found nothing, `before` (Unix ms) goes on from there.
    """

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """The timeline, a page of it."""
        before_ms = before(visit)
        everything = bool(visit.asked("all") or visit.asked("next") or before_ms)
        room = open_history(self._parts, budget_s=WHOLE_S if everything else LOOK_S)
        ident = _subject(room, visit)
        draft = self._draft_of(visit)
        shown = draft if visit.asked("draft") and isinstance(draft, Draft) else None
        try:
            page = room.person(ident, _LIMIT, visit.asked("next") or None, until_ms=before_ms, draft=shown)
        except ValueError:
            raise NoSuchPageError("That page of the timeline is not there; begin at the newest.") from None
        address = {"event": visit.asked("event")} if visit.asked("event") else {"id": ident}
        ways = _ways(room, page, ident, address, before_ms, everything=everything, is_drafted=shown is not None)
        suppressed = self._parts.suppressed.people()
        facts = {
            "page": page,
            "ident": ident,
            **ways,
            "looked_at": room.scan.looked_at,
            "is_cut": everything and room.scan.is_cut,
            "before_ms": before_ms,
            "is_first": not visit.asked("next"),
            "is_suppressed": any(plain_name(name) in suppressed for name in page.person),
            "has_draft": draft is not None,
            "draft_error": draft if isinstance(draft, str) and visit.asked("draft") else "",
            "is_drafted": shown is not None,
            "subscription": _distinct(page.subscription),
            "may_draft": visit.viewer.may(Permission.DRAFT),
            "may_act": visit.viewer.may(Permission.ACT),
            "since_ms": room.since_ms,
            "personal": personal(self._parts, visit, "person", ident),
            "places": {one.event.event_id: one.event.entry for one in page.items},
            "meaning": meaning,
            "now_is": _now_is,
            "phrase": phrase,
            "is_going": is_going(self._parts, visit),
            "is_waiting": any(passed.outcome == "waiting" for one in page.items for passed in one.integrations),
            "sendable": _SENDABLE,
        }
        is_there = page.items or visit.asked("next") or ways["onward"] or facts["is_cut"]
        return Screen("person.html", facts, 200 if is_there else 404)

    def _draft_of(self, visit: Visit) -> Draft | str | None:
        """The viewer's draft on single events; what is wrong with it; None: they have none."""
        draft = self._desk.open(visit.viewer.login) if visit.viewer.may(Permission.DRAFT) else None
        if draft is None or not draft.is_changed:
            return None
        if not visit.asked("draft"):
            return ""
        try:
            return Draft.beside(self._parts, self._desk.read(draft))
        except ConfigError as error:
            return str(error)

    def post(self, visit: Visit) -> Reply:
        """Suppress, end it, or forget (the identifier is typed once more)."""
        ident = _subject(open_history(self._parts), visit)
        doer = Doer(visit.viewer.login, visit.entered("why"))
        here = f"/people?{urlencode({'id': ident} if visit.asked('id') else {'event': visit.asked('event')})}"
        match visit.entered("act"):
            case "suppress":
                people.suppress(self._parts, ident, doer)
                return Redirect(here, "Suppressed: nothing about this person is sent from now on.")
            case "unsuppress":
                people.unsuppress(self._parts, ident, doer)
                return Redirect(here, "No longer suppressed. What was filtered meanwhile stays filtered.")
            case "forget" if visit.entered("typed") == ident:
                done = people.forget(self._parts, ident, doer).removed
                return Redirect("/activity", f"Forgotten: {done.entries} events, {done.dead_letters} failed events.")
            case "forget":
                return Redirect(here, "Not forgotten: what was typed is not this person's identifier.")
            case _:
                raise NoSuchPageError("There is no such action.")


def _ways(
    room: History,
    page: Timeline,
    ident: str,
    address: dict[str, str],
    before_ms: int | None,
    *,
    everything: bool,
    is_drafted: bool,
) -> dict[str, str]:
    """Addresses on from here: of this page and with the draft, older events, and further where a search was cut."""
    shown = {**address, "draft": "yes"} if is_drafted else address
    onward = ""
    if not everything and not page.items and room.finder.may_be(ident):  # an event that was not found so soon either
        onward = f"/find?{urlencode({'q': ident, 'all': 'yes'})}"
    elif not everything and room.scan.is_cut:
        onward = _people(shown, all="yes")
    return {
        "address": _people(address),
        "drafted_address": _people(address, draft="yes"),
        "older": _people(_from(shown, before_ms), next=page.next) if page.next else "",
        "onward": onward,
        "further": "" if page.items else _people(_from(shown, room.scan.reached_ms)),
    }


def _people(address: dict[str, str], **more: str) -> str:
    """This page's address."""
    return f"/people?{urlencode({**address, **more})}"


def _from(address: dict[str, str], before_ms: int | None) -> dict[str, str]:
    """A person's address from there on."""
    return address if before_ms is None else {**address, "before": str(before_ms)}


def _distinct(said: dict[str, list[Part]]) -> dict[str, list[Part]]:
    """What integrations say of the subscription; where all say the same, once and without a name."""
    texts = list(said.values())
    return {"": texts[0]} if texts and all(one == texts[0] for one in texts) else said


def _now_is(now: PropertyValue, shown: Personal) -> str:
    """A property's value: a date as one, no value said so, and nothing that names a person unless it is shown."""
    value = now.value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and now.property in DATE_PROPERTIES:
        return day(value)
    return plain(shown.value(now.property, value))


def _subject(room: History, visit: Visit) -> str:
    """The identifier that the address means."""
    if place := visit.asked("event"):
        found = next(iter(room.finder.event(place)), None) if "/" in place else None
        name = room.tracer.seen(found).person if found else ""
        if not name:
            raise NoSuchPageError("That event names nobody, or is not kept any more.")
        return name
    if ident := visit.asked("id").strip():
        return ident
    raise NoSuchPageError("Say who: the field at the top takes a user id, a Customer.io id or an e-mail address.")
