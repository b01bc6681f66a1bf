"""History: revisions and actions in one list; compare two revisions, roll back to one, export one."""

import difflib
import heapq
from typing import Any

from config.difference import difference
from config.errors import ConfigError
from config.integrations import parse
from worker.acts.exporting import only
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.visit import Download, NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.revisions.store import Revision, UnreadableError
from worker.store.actions import Actions

_LIMIT = 60


class HistoryPage(Page):
    """`GET /history`."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The newest revisions and actions, joined by time."""
        after = visit.asked("after")
        start = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else 0
        revisions = self._parts.revisions.all()
        actions = Actions(self._parts.redis).newest(start, _LIMIT)
        oldest_ms = actions[-1].at_ms if len(actions) == _LIMIT else 0
        newest_ms = actions[0].at_ms if start and actions else 1 << 60
        shown = [one for one in revisions if oldest_ms <= one.at_ms <= newest_ms]
        rows = heapq.merge(
            ((one.at_ms, "revision", one) for one in shown),
            ((one.at_ms, "action", one) for one in actions),
            key=lambda row: -row[0],
        )
        facts = {
            "rows": list(rows),
            "head": self._parts.revisions.head(),
            "numbers": [one.number for one in revisions],
            "older": f"/history?after={start + _LIMIT}" if len(actions) == _LIMIT else "",
            "may_publish": visit.viewer.may(Permission.PUBLISH),
            "personal": personal(self._parts, visit, "activity", "the list"),
        }
        return Screen("history.html", facts)


class RevisionPage(Page):
    """`GET /history/{number}`: one revision, compared with another (`?to=`), the one in force unless said."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """What it says, and how it differs."""
        head = self._parts.revisions.head()
        one = find_revision(self._parts, visit.path["number"])
        other = find_revision(self._parts, visit.asked("to") or str(head))
        facts: dict[str, Any] = {
            "revision": one,
            "other": other,
            "head": head,
            "numbers": [each.number for each in self._parts.revisions.all()],
            "lines": compare(self._parts, one, other),
            "diff": unified(one.text, other.text, f"revision {one.number}", f"revision {other.number}"),
            "may_publish": visit.viewer.may(Permission.PUBLISH) and one.number != head,
        }
        return Screen("revision.html", facts)


class ComparePage(Page):
    """`GET /history/compare?from=&to=`: leads to the one revision, compared with the other."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The page of the first."""
        one, other = (find_revision(self._parts, visit.asked(name)).number for name in ("from", "to"))
        return Redirect(f"/history/{one}?to={other}")


class ExportPage(Page):
    """`GET /history/export`: the file of the revision in force, or of `?number=`; secrets are references in it.

    With `?integration=` only that one and its source.
    """

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The file, byte for byte."""
        one = find_revision(self._parts, visit.asked("number") or str(self._parts.revisions.head()))
        name = visit.asked("integration")
        text = only(one.text, name) if name else one.text
        return Download(f"{name or 'integrations'}-{one.number}.toml", text.encode(), "application/toml")


def find_revision(parts: Relay, number: str) -> Revision:
    """A revision.

    Raises:
        NoSuchPageError: it is not there.
    """
    try:
        return parts.revisions.get(int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0)
    except UnreadableError:
        raise NoSuchPageError(f"There is no revision {number}.") from None


def compare(parts: Relay, old: Revision, new: Revision) -> list[str]:
    """What differs from one revision to another, in words."""
    try:
        sides = [parse(one.text, f"revision {one.number}", parts.secrets, lenient=True) for one in (old, new)]
        return difference(*sides)
    except ConfigError as error:
        return [str(error)]


def unified(before: str, after: str, old: str, new: str) -> list[tuple[str, str]]:
    """The lines that differ, each with its kind: came, gone, place, or empty."""
    kinds = {"+": "came", "-": "gone", "@": "place"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=2)
    return [(kinds.get(line[:1], ""), line) for line in lines]
