"""Failures: dead letters grouped by what has to be fixed; several groups at once are replayed or discarded."""

import time
from collections.abc import Iterator

from worker.acts.discarding import Discarded, discard
from worker.acts.importing import restore
from worker.acts.record import Doer, record
from worker.acts.replaying import Chosen, replay_letters, survey_letters
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.acknowledged import MARKS, Acknowledged, Said
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.dead.advice import what_is_wrong
from worker.dead.filters import Filter
from worker.dead.groups import Group, Key, where
from worker.dead.letter import Letter
from worker.dead.saving import folder_of, saved_files, set_undone
from worker.store.samples import Samples

_HOURS = 24
_SHOWN = 60
_RATE_PER_S = 200.0
_UNDOABLE = 5


class FailuresPage(Page):
    """`GET /failures`; POST acknowledges, ignores or opens a group, or replays or discards several."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The groups, the largest first; those that were acknowledged or ignored apart."""
        found, marks = read_groups(self._parts), Acknowledged(self._parts.redis).all()
        mark = visit.asked("mark") if visit.asked("mark") in MARKS else "open"
        by_mark: dict[str, list[Group]] = {name: [] for name in ("open", *MARKS)}
        for one in found:
            by_mark[_mark_of(one, marks)].append(one)
        facts = {
            "groups": by_mark[mark],
            "mark": mark,
            "counts": {name: len(groups) for name, groups in by_mark.items()},
            "marks": marks,
            "wrong": lambda one: title(self._parts, one),
            "where": where,
            "total": sum(one.count for one in found),
            "quiet_ms": None if found else self._quiet_since(),
            "held": sorted(self._parts.holds.get(self._parts.integrations.integrations)),
            "may_act": visit.viewer.may(Permission.ACT),
            "saved": saved_files(folder_of(self._parts.settings.data_dir), _UNDOABLE),
        }
        return Screen("failures.html", facts)

    def _quiet_since(self) -> int | None:
        """When an event failed last, by the counts of seven days, else since when there are such (Unix ms)."""
        names = list(self._parts.integrations.integrations)
        series = Samples(self._parts.redis).series(names, "7d", time.time_ns() // 1_000_000).values()
        began = [one.since_ms for one in series if one.since_ms]
        return max([*began, *(point.at_ms for one in series for point in one.points if point.failed)], default=None)

    def post(self, visit: Visit) -> Reply:
        """Act on the chosen groups, or mark one."""
        match visit.entered("act"):
            case "replay":
                return self._replay(self._chosen(visit), visit)
            case "discard":
                return self._discard(self._chosen(visit), Doer(visit.viewer.login, visit.entered("why")))
            case "undo":
                return self._undo(visit.entered("file"), Doer(visit.viewer.login, visit.entered("why")))
            case _:
                return self._mark(visit)

    def _mark(self, visit: Visit) -> Reply:
        one = find_group(self._parts, visit.entered("number"))
        mark = visit.entered("mark")
        now_ms = time.time_ns() // 1_000_000
        said = Said(mark, visit.viewer.login, now_ms, one.count) if mark in MARKS else None  # type: ignore[arg-type]
        Acknowledged(self._parts.redis).mark(one.key, said)
        doer = Doer(visit.viewer.login, visit.entered("why"))
        record(self._parts.redis, doer, f"failures {mark if said else 'open'}", f"group {one.number}", "marked")
        return Redirect("/failures", f"Group {one.number} is {mark if said else 'open'}.")

    def _chosen(self, visit: Visit) -> list[Group]:
        """The groups that were chosen; for a replay all that are open, when none was: what fails again is not sent."""
        numbers = visit.form.get("group", [])
        if numbers or visit.entered("act") != "replay":
            return [find_group(self._parts, number) for number in numbers]
        marks = Acknowledged(self._parts.redis).all()
        return [one for one in read_groups(self._parts) if _mark_of(one, marks) == "open"]

    def _replay(self, groups: list[Group], visit: Visit) -> Reply:
        known = self._parts.integrations.integrations
        able = [one for one in groups if one.integration in known and known[one.integration].send]
        survey, chosen = survey_letters(self._parts, self._letters(able))
        if not chosen.ids:
            return Redirect("/failures", "Nothing was replayed: each would fail again as it is.")
        doer = Doer(visit.viewer.login, visit.entered("why"))
        job = replay_letters(self._parts, survey, Chosen(chosen.ids), _meant(able), _RATE_PER_S, doer)
        return Redirect("/jobs", f"{job.id} replays {job.matched} failed events; the others would fail again.")

    def _discard(self, groups: list[Group], doer: Doer) -> Reply:
        if not groups or not doer.why:
            return Redirect("/failures", "Nothing was discarded: choose groups, and say why, for the record.")
        done = discard(self._parts, [letter.id for letter in self._letters(groups)], _meant(groups), doer)
        return discarded(done)

    def _undo(self, name: str, doer: Doer) -> Reply:
        """Bring back what a discard on this machine saved; only a file that is listed is read."""
        kept = {path.name: path for path, _ in saved_files(folder_of(self._parts.settings.data_dir), _UNDOABLE)}
        if name not in kept:
            raise NoSuchPageError("There is no such discard on this machine; they are kept for 7 days.")
        try:
            with kept[name].open("rb") as lines:
                done = restore(self._parts, lines, name, doer)
            if not done.refused:
                set_undone(kept[name])
        except FileNotFoundError:
            raise NoSuchPageError("This discard is undone already.") from None
        rest = [f"{done.there} were there already"] * bool(done.there)
        rest += [f"{done.refused} cannot come back: their integration is gone"] * bool(done.refused)
        said = "; ".join([f"{done.restored} discarded events are failures again", *rest])
        return Redirect("/failures", f"{said}.")

    def _letters(self, groups: list[Group]) -> Iterator[Letter]:
        for one in groups:
            yield from self._parts.dead_letters.find([one.integration], one.narrow(Filter()))


def discarded(done: Discarded) -> Redirect:
    """The list of failures, with what was discarded and the ways back."""
    undo = f" Undo, for 7 days: below, or relay dead import {done.file}" if done.file else ""
    return Redirect("/failures", f"{done.done} failed events are discarded.{undo}")


def read_groups(parts: Relay) -> list[Group]:
    """All groups, those that are shown with their times."""
    now_ms = time.time_ns() // 1_000_000
    return parts.dead_groups.list(parts.known_integrations(), Filter(), now_ms, hours=_HOURS, limit=_SHOWN)


def find_group(parts: Relay, number: str) -> Group:
    """The group of that number, with its causes.

    Raises:
        NoSuchPageError: there is none.
    """
    known = parts.dead_groups.numbered().get(int(number)) if number.isascii() and number.isdigit() else None
    if known is None:
        raise NoSuchPageError(f"There is no group {number} of failures; it may be solved.")
    now_ms = time.time_ns() // 1_000_000
    found = parts.dead_groups.list([known.integration], known.narrow(Filter()), now_ms, hours=_HOURS)
    return found[0] if found else known


def title(parts: Relay, one: Group) -> str:
    """What is wrong, in a sentence."""
    known = parts.integrations.integrations.get(one.integration)
    tried = (*known.identity.id_fields, *known.identity.email_fields) if known else ()
    text = what_is_wrong(one.reason, one.field, one.status, tried)
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]


def _meant(groups: list[Group]) -> str:
    """Groups, for the record."""
    return f"groups {', '.join(str(one.number) for one in groups)}"


def _mark_of(one: Group, marks: dict[Key, Said]) -> str:
    said = marks.get(one.key)
    return said.mark if said and one.count <= said.count else "open"
