"""Review: the plan of the draft on real past traffic; publish it, drop it, or join it with what is in force by now."""

import difflib
from collections.abc import Iterator
from typing import Any, Final

from config.errors import ConfigError
from config.examine import new_warnings
from worker.acts.publishing import publish, refuse_if_owned_by_file, retire, wait_for_uptake
from worker.acts.record import Doer
from worker.acts.replaying import resync
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk, OpenDraft
from worker.console.keychecks import KeyChecks
from worker.console.merging import Choice, Merged, merge
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.planning import Planner
from worker.console.protected import protected_changes
from worker.console.seen import PlanAgainError, SeenPlans
from worker.console.visit import Download, NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.errors import OperatorError
from worker.history.effects import Detail, Effect
from worker.history.people import known_people
from worker.history.planned import Change
from worker.history.preview import Preview
from worker.ledger.figures import Ledger
from worker.revisions.live import EMPTY

_BUDGET_S: Final = 4.0
_SHOWN: Final = 12
_RESYNC_RATE: Final = 500.0
# Sign, class and words of each effect, in the order of their weight.
_EFFECTS: Final[dict[Effect, tuple[str, str, str]]] = {
    "no_longer_sent": ("\N{MINUS SIGN}", "gone", "no longer sent"),
    "newly_dead": ("\N{MINUS SIGN}", "gone", "would fail"),
    "renamed": ("~", "moved", "sent under another name"),
    "changed": ("~", "moved", "sent with other attributes"),
    "newly_sent": ("+", "came", "newly sent"),
    "no_longer_dead": ("+", "came", "would fail no longer"),
}


class ReviewPage(Page):
    """`GET /review`; POST publishes, drops or joins."""

    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)
        self._seen = SeenPlans(parts.redis)
        self._planner = Planner(parts)
        self._keys = KeyChecks(parts.settings.request_timeout_s)

    def get(self, visit: Visit) -> Reply:
        """The plan; or what has to be decided before there can be one."""
        found = self._desk.open(visit.viewer.login)
        if not found.is_changed:
            return Screen("review_none.html")
        if found.is_behind:
            merged = self._merged(found, {})
            if merged.open or merged.errors:
                return self._ask(merged, found, visit.asked("failure"))
            self._desk.start(visit.viewer.login, merged.text, found.head)
            found = self._desk.open(visit.viewer.login)
        try:
            preview = self._planner.preview(found.text, _BUDGET_S)
        except ConfigError as error:
            return Screen("review_errors.html", {"lines": str(error).splitlines()}, 422)
        self._seen.keep(preview)
        return Screen("review.html", self._facts(visit, found, preview, ""))

    def post(self, visit: Visit) -> Reply:
        """Do what was asked for."""
        login = visit.viewer.login
        match visit.entered("act"):
            case "drop":
                self._desk.drop(login)
                back = _failure(visit.entered("failure"))
                return Redirect(
                    f"/failures/{back}" if back else "/integrations", "Your draft is dropped; nothing was changed."
                )
            case "merge":
                return self._merge(visit)
            case "publish":
                return self._publish(visit)
            case _:
                raise NoSuchPageError("There is no such action.")

    def _facts(self, visit: Visit, found: OpenDraft, preview: Preview, wrong: str) -> dict[str, Any]:
        return {
            "draft": found,
            "preview": preview,
            "changes": [(one, list(effect_rows(one))) for one in preview.plan.changes],
            **self._beside(visit, found, preview),
            "next": found.head + 1,
            "protected": self._protected(found) if not visit.viewer.may(Permission.SECRETS) else (),
            "may_publish": visit.viewer.may(Permission.PUBLISH),
            "may_act": visit.viewer.may(Permission.ACT),
            "warnings": new_warnings(self._desk.revision_text(found.head), found.text),
            "wrong": wrong,
            "failure": _failure(visit.asked("failure")),
            "personal": personal(self._parts, visit, "activity", "the list"),
        }

    def _protected(self, found: OpenDraft) -> tuple[str, ...]:
        """What only who may set secrets publishes."""
        return protected_changes(self._desk.revision_text(found.head), found.text)

    def _beside(self, visit: Visit, found: OpenDraft, preview: Preview) -> dict[str, Any]:
        """What does not follow from the past: the keys of what changes, what waits for it, and what stays as it is."""
        draft, running = self._desk.read(found), self._parts.live.loaded
        touched = [change.integration for change in preview.plan.changes]
        is_trusted = visit.viewer.may(Permission.SECRETS) and not found.of
        accounts = Ledger(self._parts).accounts() if running is not EMPTY else []
        return {
            "keys": self._keys.facts(draft, running.integrations, touched, is_trusted=is_trusted),
            "waiting": {one.integration: one.waiting for one in accounts if one.integration in touched},
            "unchanged": [name for name in draft.integrations if name not in touched],
        }

    def _merged(self, found: OpenDraft, choices: dict[str, Choice]) -> Merged:
        return merge(self._desk.revision_text(found.base), found.text, self._desk.revision_text(found.head), choices)

    def _ask(self, merged: Merged, found: OpenDraft, failure: str) -> Screen:
        """What only a person can decide, with who published meanwhile and why."""
        theirs = self._parts.revisions.get(found.head)
        facts = {"merged": merged, "draft": found, "theirs": theirs, "failure": _failure(failure)}
        return Screen("review_merge.html", facts, 409)

    def _merge(self, visit: Visit) -> Reply:
        found = self._desk.open(visit.viewer.login)
        choices: dict[str, Choice] = {
            name.removeprefix("choice."): values[-1]  # type: ignore[misc]
            for name, values in visit.form.items()
            if name.startswith("choice.") and values[-1] in {"mine", "theirs"}
        }
        merged = self._merged(found, choices)
        if merged.open or merged.errors:
            return self._ask(merged, found, visit.entered("failure"))
        self._desk.start(visit.viewer.login, merged.text, found.head)
        return Redirect(_again(visit))

    def _publish(self, visit: Visit) -> Reply:
        viewer = visit.viewer
        if not viewer.may(Permission.PUBLISH):
            raise NoSuchPageError("Your role may not publish: ask an operator to look at your draft.")
        refuse_if_owned_by_file(self._parts)
        found = self._desk.open(viewer.login)
        if not viewer.may(Permission.SECRETS) and (keys := self._protected(found)):
            raise OperatorError(f"only an admin publishes a change of {', '.join(keys)}")
        try:
            typed = [visit.entered("typed"), *(value for name, value in _typed(visit))]
            seen = self._seen.agreed(visit.entered("hash"), found.text, found.head, typed)
        except PlanAgainError as error:
            return Redirect(_again(visit), f"Not published: {error}.")
        doer = Doer(viewer.login, _why(visit.entered("note"), found.of))
        number = publish(self._parts, found.text, "console", seen.base, seen.removed, doer)
        self._desk.drop(viewer.login)
        self._desk.drop_published(found.of, found.text)
        uptake = wait_for_uptake(self._parts, number, 3.0)
        if seen.removed and not uptake.behind:
            retire(self._parts)
        for name in visit.form.get("resync", []) if viewer.may(Permission.ACT) else []:
            self._tell_everyone(name, doer)
        back = _failure(visit.entered("failure"))
        return Redirect(f"/failures/{back}?published={number}" if back else f"/published/{number}")

    def _tell_everyone(self, name: str, doer: Doer) -> None:
        integration = self._parts.integrations.integrations.get(name)
        if integration is not None and integration.send:
            known = known_people(
                self._parts.redis, integration, self._parts.settings.shards, self._parts.suppressed.people()
            )
            if known.people:
                resync(self._parts, name, known, f"--integration {name}", _RESYNC_RATE, doer)


class DiffPage(Page):
    """`GET /review/change.diff`: the draft as a unified diff, for who keeps the file."""

    sees = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """The lines that differ from what is in force; of a text that ran before, with one by which it runs again."""
        found = self._desk.open(visit.viewer.login)
        before = self._desk.revision_text(found.head).splitlines(keepends=True)
        after = found.text.splitlines(keepends=True)
        if after != before and (number := self._desk.ran_as(found.text)):
            after.insert(0, f"# as revision {number}, again after revision {found.head}\n")
        name = found.owner_file or "integrations.toml"
        lines = difflib.unified_diff(before, after, f"a/{name}", f"b/{name}")
        return Download("change.diff", "".join(lines).encode(), "text/x-diff")


def _failure(number: str) -> str:
    """The number of the failure that a draft was made for, empty: none; what somebody wrote into an address."""
    return number if number.isascii() and number.isdigit() and len(number) < 10 else ""


def _again(visit: Visit) -> str:
    """The review once more, of a draft for the same failure."""
    number = _failure(visit.entered("failure"))
    return f"/review?failure={number}" if number else "/review"


def _why(note: str, author: str) -> str:
    """What is kept as the reason, with whose draft it was."""
    if not author:
        return note
    return f"{note} (draft by {author})" if note else f"draft by {author}"


def effect_rows(change: Change) -> Iterator[dict[str, Any]]:
    """A row for each kind of event that would differ, the weightiest first."""
    for effect, (sign, kind, words) in _EFFECTS.items():
        tally = change.found.effects.get(effect)
        if tally is None:
            continue
        details = sorted(tally.details.items(), key=lambda pair: -pair[1].events)
        for to, detail in details[:_SHOWN]:
            yield {"sign": sign, "kind": kind, "what": _what(effect, to, detail, words), "detail": detail}
        rest = details[_SHOWN:]
        if rest:
            more = Detail(f"{len(rest)} more event names", sum(one.events for _, one in rest))
            yield {"sign": sign, "kind": kind, "what": words, "detail": more}


def _what(effect: Effect, to: str, detail: Detail, words: str) -> str:
    """What becomes of it: the new name where it is one, and the old one where that was not the code."""
    if effect == "renamed":
        old, _, new = to.rpartition(" -> ")
        return f"→ “{new}”" if old == detail.event_name else f"“{old}” → “{new}”"
    return words if to in ("", detail.event_name) else f"{words}: {to}"


def _typed(visit: Visit) -> Iterator[tuple[str, str]]:
    for name, values in visit.form.items():
        if name.startswith("typed."):
            yield name, values[-1]
