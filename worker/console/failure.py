"""One group of failures: what is wrong, samples, and what would solve it, each proposal tried without sending."""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from worker.acts.discarding import discard
from worker.acts.editing import edit_letters
from worker.acts.record import Doer
from worker.acts.replaying import Chosen, replay_letters, survey_letters
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.failures import discarded, find_group, remedy_of, title
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.proposals import changes_of, rename, try_field, try_text
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.console.waiting import wait_of
from worker.dead.filters import Filter
from worker.dead.groups import Group, where
from worker.dead.letter import Letter, event_of, received_of
from worker.replay.survey import Survey

# So many letters are tried for the page; what is started later tries them all.
_TRIED = 500
_SAMPLES = 5
_RATES = (10, 50, 200, 500)


class FailurePage(Page):
    """`GET /failures/{number}`; POST replays what passes, tries a few, or discards."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """What is wrong and what would solve it."""
        one = find_group(self._parts, visit.path["number"])
        letters = list(islice(self._letters(one), _TRIED))
        survey, _ = survey_letters(self._parts, letters)
        code = _code(one, letters)
        facts = {
            "group": one,
            "title": title(self._parts, one),
            "advice": remedy_of(one),
            "where": where,
            "survey": survey,
            "tried": len(letters),
            "outcomes": outcomes(survey),
            "samples": letters[:_SAMPLES],
            "messages": list(dict.fromkeys(letter.message for letter in letters if letter.message))[:3],
            "rates": _RATES,
            "is_known": one.integration in self._parts.integrations.integrations,
            "held": [wait_of(*held) for held in self._parts.holds.get([one.integration]).items()],
            "may_act": visit.viewer.may(Permission.ACT),
            "may_draft": visit.viewer.may(Permission.DRAFT),
            "edit": f"/integrations/{one.integration}?{urlencode({'tab': _tab(one), 'find': code})}",
            "code": code,
            "personal": personal(self._parts, visit, "failure", str(one.number)),
            **self._proposed(visit, one, letters, code),
        }
        return Screen("failure.html", facts)

    def _proposed(self, visit: Visit, one: Group, letters: list[Letter], code: str) -> dict[str, Any]:
        """The proposal that was asked for, tried."""
        name, path, value = visit.asked("name"), visit.asked("path"), visit.asked("value")
        asked = {"name": name, "path": path, "value": value, "off": visit.asked("off")}
        proposal = None
        if one.integration in self._parts.integrations.integrations and visit.viewer.may(Permission.DRAFT):
            text = self._desk.open(visit.viewer.login).text
            if name or asked["off"]:
                proposal = try_text(self._parts, letters, rename(text, one.integration, code, name))
            elif path:
                proposal, _ = try_field(self._parts, letters, path, value)
        found = outcomes(proposal.survey) if proposal and proposal.survey else []
        return {"asked": asked, "proposal": proposal, "proposed": found}

    def post(self, visit: Visit) -> Reply:
        """Act on the whole group, or on the first few of it."""
        one = find_group(self._parts, visit.path["number"])
        here = f"/failures/{one.number}"
        doer = Doer(visit.viewer.login, visit.entered("why"))
        match visit.entered("act"):
            case "try":
                return self._replay(one, 3, doer, visit)
            case "replay":
                return self._replay(one, 0, doer, visit)
            case "draft":
                return self._draft(visit, one)
            case "edit":
                return self._edit(visit, one, doer)
            case "discard" if doer.why:
                return self._discard(one, doer)
            case "discard":
                return Redirect(here, "Not discarded: say why, for the record.")
            case _:
                raise NoSuchPageError("There is no such action.")

    def _replay(self, one: Group, most: int, doer: Doer, visit: Visit) -> Reply:
        letters = self._letters(one)
        failing = visit.entered("failing") == "yes"
        survey, chosen = survey_letters(self._parts, islice(letters, most) if most else letters, failing=failing)
        if not chosen.ids:
            return Redirect(f"/failures/{one.number}", "Nothing was replayed: each would fail again as it is.")
        rate = visit.entered("rate")
        per_s = float(rate) if rate.isascii() and rate.isdigit() else float(_RATES[-1])
        meant = one.narrow(Filter()).text()
        job = replay_letters(self._parts, survey, Chosen(chosen.ids), meant, per_s, doer)
        return Redirect("/jobs", f"{job.id} replays {job.matched} failed events.")

    def _draft(self, visit: Visit, one: Group) -> Reply:
        """Put another name, or none, into the draft; its review comes next."""
        if not visit.viewer.may(Permission.DRAFT):
            raise NoSuchPageError("Your role may not draft.")
        found, code = self._desk.open(visit.viewer.login), _code(one, self._letters(one))
        edited, said = self._desk.edit(
            visit.viewer.login,
            found.mark,
            lambda text: rename(text, one.integration, code, visit.entered("name")),
        )
        if edited.errors:
            return Redirect(f"/failures/{one.number}", next(iter(edited.errors.values())))
        return Redirect("/review", said)

    def _edit(self, visit: Visit, one: Group, doer: Doer) -> Reply:
        """Change a field of every letter, as a job."""
        path, value = visit.entered("path"), visit.entered("value")
        if not path:
            return Redirect(f"/failures/{one.number}", "Name the field to change.")
        proposal, tried = try_field(self._parts, self._letters(one), path, value)
        if tried is None or not tried.ids:
            return Redirect(f"/failures/{one.number}", proposal.wrong or "No failed event would be changed by that.")
        job = edit_letters(self._parts, tried, changes_of(path, value), one.narrow(Filter()).text(), doer)
        return Redirect("/jobs", f"{job.id} changes {job.matched} failed events; replay them when it is done.")

    def _discard(self, one: Group, doer: Doer) -> Reply:
        ids = [letter.id for letter in self._letters(one)]
        return discarded(discard(self._parts, ids, one.narrow(Filter()).text(), doer))

    def _letters(self, one: Group) -> Iterator[Letter]:
        return self._parts.dead_letters.find([one.integration], one.narrow(Filter()))


class LetterPage(Page):
    """`GET /letters/{letter}`: one failed event with everything that is known of it."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """It, its attempts, and what would become of it now."""
        ident = visit.path["letter"]
        try:
            letter = self._parts.dead_letters.get([ident])[0]
        except ValueError:
            letter = None
        if letter is None:
            raise NoSuchPageError(f"There is no failed event {ident}: it was replayed or discarded, or never there.")
        survey, _ = survey_letters(self._parts, [letter])
        facts = {
            "letter": letter,
            "raw": received_of(letter),
            "outcomes": outcomes(survey),
            "advice": remedy_of(Group(letter.integration, letter.reason, letter.field, letter.status)),
            "now_ms": time.time_ns() // 1_000_000,
            "personal": personal(self._parts, visit, "event", f"{letter.shard}/{letter.entry_id}"),
        }
        return Screen("letter.html", facts)


def outcomes(survey: Survey) -> list[tuple[int, str, str]]:
    """What would become of the letters now: how many, what, why; every letter in one row."""
    rows = [
        (survey.sent, "would pass", ""),
        (survey.unsure, "may pass", "something has changed, and Customer.io did not say which part it refused"),
        (survey.unknown, "not tried here", "they crashed their worker"),
        (survey.same, "would be refused again", "what Customer.io refused has not changed"),
        *((number, "would fail again", reason) for reason, number in survey.dead.items()),
        *((number, "would be filtered", reason) for reason, number in survey.filtered.items()),
        *(
            (number, "cannot be replayed", f"{name} is no integration any more")
            for name, number in survey.orphans.items()
        ),
    ]
    return [row for row in rows if row[0] or row[1] == "would pass"]


def _tab(one: Group) -> str:
    """The tab of the integration where it would be fixed."""
    if one.reason == "no_person":
        return "people"
    return "properties" if one.reason == "properties_rejected" else "events"


def _code(one: Group, letters: Iterable[Letter]) -> str:
    """The event code that all of a group share, whole: what a group is listed by may be cut."""
    if len(one.events) != 1:
        return ""
    try:
        return next((event_of(letter).name for letter in letters), "")
    except ValueError:
        return ""
