"""One group of failures: what is wrong, samples, and the ways that may solve it, each tried without sending."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from worker.acts.discarding import discard
from worker.acts.editing import edit_letters
from worker.acts.publishing import uptake
from worker.acts.record import Doer
from worker.acts.replaying import Chosen, replay_letters, survey_letters
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.failures import discarded, find_group, title
from worker.console.history import find_revision
from worker.console.jobs import Rates, job_facts
from worker.console.next_step import TRIED, meant, newest
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.proposals import changes_of, outcomes, rename, try_field
from worker.console.remedies import remedy_of
from worker.console.visit import NoSuchPageError, NotAllowedError, Redirect, Reply, Screen, Visit
from worker.console.waiting import wait_of
from worker.console.ways import Asked, Ways, chosen
from worker.dead.filters import Filter
from worker.dead.groups import Group, where
from worker.dead.letter import Letter, event_of
from worker.dead.suggestions import is_about_name

# With "Try on all": a page takes some seconds then.
_TRIED_AT_MOST: Final = 10_000
_SAMPLES: Final = 5
_RATES: Final = (10, 50, 200, 500)
_TRY: Final = 3


class FailurePage(Page):
    """`GET /failures/{number}`; POST tries a way, drafts it, replays, edits or discards."""

    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)
        self._rates = Rates()

    def get(self, visit: Visit) -> Reply:
        """What is wrong and what would solve it."""
        one = find_group(self._parts, visit.path["number"])
        letters = newest(self._parts, one, _TRIED_AT_MOST if visit.asked("all") else TRIED)
        code, asked = _code(one, letters), Asked.of(visit)
        draft = self._desk.open(visit.viewer.login)
        ways = Ways(self._parts, one, letters, code, visit.viewer).list(draft, asked)
        samples = sorted(letters, key=lambda letter: -letter.failed_ms)
        messages = dict.fromkeys(letter.message for letter in samples if letter.message)
        facts = {
            "group": one,
            "title": title(self._parts, one),
            "advice": remedy_of(one, draft.owner_file),
            "where": where,
            "ways": ways,
            "chosen": chosen(ways, asked),
            "asked": asked,
            "more": _place(one, all="yes", **asked.query()) if not visit.asked("all") else "",
            "survey": ways[0].survey,
            "tried": len(letters),
            "outcomes": outcomes,
            "samples": samples[:_SAMPLES],
            "messages": list(messages)[:3],
            "rates": _RATES,
            "held": [wait_of(*held) for held in self._parts.holds.get([one.integration]).items()],
            "may_act": visit.viewer.may(Permission.ACT),
            "may_draft": visit.viewer.may(Permission.DRAFT),
            "owner_file": draft.owner_file,
            "edit": _edit(one, code),
            "code": code,
            "personal": personal(self._parts, visit, "failure", str(one.number)),
            **self._under_way(one, visit),
        }
        return Screen("failure.html", facts)

    def _under_way(self, one: Group, visit: Visit) -> dict[str, Any]:
        """What was done about it so far: the revision that was published for it, and its newest job."""
        number = visit.asked("published")
        published = find_revision(self._parts, number).number if number else 0
        published = published if published == self._parts.live.loaded.number else 0
        known = self._parts.integrations.integrations.get(one.integration)
        job = self._parts.jobs.about(meant(one))
        return {
            "published": published,
            "uptake": uptake(self._parts, published) if published else None,
            "in_shadow": known is not None and not known.send,
            "job": None,
            **(job_facts(self._parts, job, self._rates) if job else {}),
        }

    def post(self, visit: Visit) -> Reply:
        """Act on the whole group, or on the first few of it."""
        one = find_group(self._parts, visit.path["number"])
        act, doer = visit.entered("act"), Doer(visit.viewer.login, visit.entered("why"))
        if act in {"name", "field", "look"}:
            return Redirect(_asking(one, visit, visit.entered("choice") if act == "look" else act))
        if act == "review":
            return self._draft(visit, one)
        if not visit.viewer.may(Permission.ACT):
            raise NotAllowedError("Your role may propose; an operator replays, changes and discards.")
        match act:
            case "try":
                return self._replay(one, newest(self._parts, one), doer, visit, _TRY)
            case "replay":
                return self._replay(one, self._letters(one), doer, visit)
            case "edit":
                return self._edit(visit, one, doer)
            case "discard" if doer.why:
                return self._discard(one, doer)
            case "discard":
                return Redirect(_place(one, choice="discard"), "Not discarded: say why, for the record.")
            case _:
                raise NoSuchPageError("There is no such action.")

    def _replay(
        self, one: Group, letters: Iterable[Letter], doer: Doer, visit: Visit, most: int | None = None
    ) -> Reply:
        """Replay those of the letters that pass, `most` of them."""
        survey, found = survey_letters(self._parts, letters, failing=visit.entered("failing") == "yes")
        ids = found.ids[:most]
        if not ids:
            return Redirect(_place(one), "Nothing was replayed: each would fail again as it is.")
        rate = visit.entered("rate")
        per_s = float(rate) if rate.isascii() and rate.isdigit() else float(_RATES[2])
        job = replay_letters(self._parts, survey, Chosen(ids), meant(one), per_s, doer)
        return Redirect(f"/jobs/{job.id}", f"{job.id} replays {job.matched} of {one.count} failed events.")

    def _draft(self, visit: Visit, one: Group) -> Reply:
        """Put another name, or none, into the draft; its review comes next, and leads back."""
        name = "" if visit.entered("choice") == "off" else visit.entered("name")
        code = _code(one, newest(self._parts, one, 1))
        if visit.entered("choice") not in {"name", "off"} or not code:
            return Redirect(_place(one), "There is nothing to review: choose another name, or to stop sending it.")
        if visit.entered("choice") == "name" and not name:
            return Redirect(_place(one, choice="name"), f"Write the name that {code} is to have.")
        found = self._desk.open(visit.viewer.login)
        edited, said = self._desk.edit(
            visit.viewer.login, found.mark, lambda text: rename(text, one.integration, code, name)
        )
        if edited.errors:
            return Redirect(_asking(one, visit, "name"), next(iter(edited.errors.values())))
        return Redirect(f"/review?failure={one.number}", said)

    def _edit(self, visit: Visit, one: Group, doer: Doer) -> Reply:
        """Change a field of every letter, as a job."""
        path, value = visit.entered("path"), visit.entered("value")
        if not path:
            return Redirect(_place(one, choice="field"), "Name the field to change.")
        proposal, tried = try_field(self._parts, self._letters(one), path, value)
        if tried is None or not tried.ids:
            said = proposal.wrong or "No failed event would be changed by that."
            return Redirect(_asking(one, visit, "field"), said)
        job = edit_letters(self._parts, tried, changes_of(path, value), meant(one), doer)
        return Redirect(f"/jobs/{job.id}", f"{job.id} changes {job.matched} failed events; then replay them.")

    def _discard(self, one: Group, doer: Doer) -> Reply:
        ids = [letter.id for letter in self._letters(one)]
        return discarded(discard(self._parts, ids, meant(one), doer))

    def _letters(self, one: Group) -> Iterator[Letter]:
        return self._parts.dead_letters.find([one.integration], one.narrow(Filter()))


def _place(one: Group, **query: str) -> str:
    """The page of a group, asked for something."""
    return f"/failures/{one.number}" + (f"?{urlencode(query)}" if query else "")


def _asking(one: Group, visit: Visit, choice: str) -> str:
    """The page with what was written into its ways, so that it is tried."""
    fields = ("name", "path", "value") if choice == "field" else ("name",)
    asked = {"choice": choice, **{name: visit.entered(name) for name in fields}}
    return _place(one, **{name: given for name, given in asked.items() if given})


def _edit(one: Group, code: str) -> tuple[str, str] | None:
    """What to edit and where, in the integration's form; None: nothing of it would help."""
    match one.reason:
        case "no_person":
            tab, label = "people", "Choose who an event is about"
        case "properties_rejected":
            tab, label = "properties", "Edit the properties"
        case "rejected" | "too_large" if is_about_name(one.reason, one.field):
            tab, label = "events", "Open Server events"
        case "rejected" | "too_large":
            tab, label = "advanced", "Choose the attributes"
        case _:
            return None
    return label, f"/integrations/{one.integration}?{urlencode({'tab': tab, 'find': code})}"


def _code(one: Group, letters: Iterable[Letter]) -> str:
    """The event code that all of a group share, whole: what a group is listed by may be cut."""
    if len(one.events) != 1:
        return ""
    try:
        return next((event_of(letter).name for letter in islice(letters, 1)), "")
    except ValueError:
        return ""
