"""Failures: dead letters grouped by what has to be fixed."""

import time

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.acknowledged import MARKS, Acknowledged, Said
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.dead.advice import what_is_wrong
from worker.dead.filters import Filter
from worker.dead.groups import Group, Key, where

_HOURS = 24
_SHOWN = 60


class FailuresPage(Page):
    """`GET /failures`; POST acknowledges, ignores or opens a group."""

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
            "may_act": visit.viewer.may(Permission.ACT),
        }
        return Screen("failures.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Mark a group."""
        one = find_group(self._parts, visit.entered("number"))
        mark = visit.entered("mark")
        now_ms = time.time_ns() // 1_000_000
        said = Said(mark, visit.viewer.login, now_ms, one.count) if mark in MARKS else None  # type: ignore[arg-type]
        Acknowledged(self._parts.redis).mark(one.key, said)
        doer = Doer(visit.viewer.login, visit.entered("why"))
        record(self._parts.redis, doer, f"failures {mark if said else 'open'}", f"group {one.number}", "marked")
        return Redirect("/failures", f"Group {one.number} is {mark if said else 'open'}.")


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


_CURES = {
    "not_json": "These bytes are no event: something wrote to Redis past the web door. Find it, then discard them.",
    "no_event_name": "A sender leaves event_name out: tell them. Discard these, or have them edited in a terminal.",
    "webhook_version": "Purchasely sends webhook version 2: switch it to version 3 there. These can only be discarded.",
    "no_person": "If another field of theirs names the person, add it under People and publish; then replay them.",
    "invalid_time": "Their time cannot be read: tell the sender. Discard these, or have them edited in a terminal.",
    "too_large": "Leave the field out (Advanced), switch the property off, or give the event a shorter name; publish, "
    "then replay them.",
    "rejected": "Change what Customer.io refuses: another name for the event, or without the attribute; publish, then "
    "replay them.",
    "properties_rejected": "The event arrived; what it says of the person did not. Switch the property off or correct "
    "it, publish, then replay them.",
    "crashed_mapping": "The relay itself failed at these: keep one for a bug report, upgrade, then replay them.",
    "crashed_worker": "These made a worker crash: keep one for a bug report, upgrade, then try three first.",
}


def remedy_of(one: Group) -> str:
    """What to do about it from the console."""
    return _CURES.get(one.reason, "Look at one of them.")


def _mark_of(one: Group, marks: dict[Key, Said]) -> str:
    said = marks.get(one.key)
    return said.mark if said and one.count <= said.count else "open"
