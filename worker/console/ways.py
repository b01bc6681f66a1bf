"""Ways that may solve a group of failures: those that apply, each tried on its letters; nothing is written or sent."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from config.errors import ConfigError
from worker.acts.replaying import survey_letters
from worker.app import Relay
from worker.console.access.roles import Permission, Viewer
from worker.console.drafting import OpenDraft
from worker.console.proposals import Proposal, rename, try_field, try_text
from worker.console.visit import Visit
from worker.dead.groups import Group
from worker.dead.letter import Letter
from worker.dead.suggestions import field_to_change, is_about_name, is_editable, suggested_name
from worker.replay.survey import ReadOnce, Survey

Kind = Literal["unchanged", "name", "off", "field", "discard"]

# What each asks of who chooses it.
_NEEDS = {"name": Permission.DRAFT, "off": Permission.DRAFT}


class Asked(msgspec.Struct, frozen=True):
    """What somebody chose or wrote into the form; empty where they did not."""

    choice: str = ""
    name: str = ""
    path: str = ""
    value: str = ""

    @classmethod
    def of(cls, visit: Visit) -> "Asked":
        """What the address asks for; after publishing, what is in force now."""
        choice = visit.asked("choice") or ("unchanged" if visit.asked("published") else "")
        return cls(choice, visit.asked("name"), visit.asked("path"), visit.asked("value"))

    def query(self) -> dict[str, str]:
        """The same as parameters of an address."""
        return {name: given for name, given in msgspec.structs.asdict(self).items() if given}


class Way(msgspec.Struct, frozen=True):
    """One way: whether this viewer may choose it, and what the letters would come to; no survey: it was not tried."""

    kind: Kind
    is_open: bool
    survey: Survey | None = None
    wrong: str = ""
    changed: int = 0
    name: str = ""

    @property
    def solves(self) -> tuple[int, int, int]:
        """How many would pass, how many may, and of those that are replayed unchanged how many need not be sent."""
        found = self.survey
        if found is None or not self.is_open:
            return 0, 0, 0
        filtered = sum(found.filtered.values()) if self.kind == "unchanged" else 0
        return found.sent, found.unsure + found.unknown, filtered


class Ways:
    """The ways of one group, for one viewer."""

    def __init__(self, parts: Relay, group: Group, letters: Sequence[Letter], code: str, viewer: Viewer) -> None:
        self._parts = parts
        self._group = group
        self._letters = letters
        self._code = code
        self._viewer = viewer
        self._states = ReadOnce(parts.streams.states)

    def list(self, draft: OpenDraft, asked: Asked) -> list[Way]:
        """Those that apply, in the order of what they change; `draft` is what another name is put into."""
        found = [self._way("unchanged", Proposal(survey_letters(self._parts, self._letters, states=self._states)[0]))]
        if self._group.integration in self._parts.integrations.integrations:
            if self._code and self._viewer.may(Permission.DRAFT):
                found += self._in_configuration(draft, asked)
            if is_editable(self._group.reason) and self._viewer.may(Permission.ACT):
                found.append(self._field(asked))
        return [*found, self._way("discard")] if self._viewer.may(Permission.ACT) else found

    def _in_configuration(self, draft: OpenDraft, asked: Asked) -> Iterator[Way]:
        """Another name, where it may be about that, and none."""
        about_name = is_about_name(self._group.reason, self._group.field)
        names = {"name": asked.name or suggested_name(self._code)} if about_name or asked.name else {}
        for kind, name in {**names, "off": ""}.items():
            if kind == "name" and not name:
                yield self._way("name")
                continue
            try:
                edited = rename(draft.text, self._group.integration, self._code, name)
            except (ConfigError, KeyError):
                return  # the draft is not complete: its review says why
            if edited.changed or edited.errors or draft.is_changed:
                yield self._way(kind, try_text(self._parts, self._letters, edited, self._states), name)  # type: ignore[arg-type]

    def _field(self, asked: Asked) -> Way:
        if not asked.path:
            return self._way("field", name=field_to_change(self._group.reason, self._group.field))
        proposal, _ = try_field(self._parts, self._letters, asked.path, asked.value, self._states)
        return self._way("field", proposal, asked.path)

    def _way(self, kind: Kind, tried: Proposal | None = None, name: str = "") -> Way:
        is_open = self._viewer.may(_NEEDS.get(kind, Permission.ACT))
        if kind == "unchanged":
            is_open = is_open and self._group.integration in self._parts.integrations.integrations
        tried = tried or Proposal()
        return Way(kind, is_open, tried.survey, tried.wrong, tried.changed, name)


def chosen(ways: Sequence[Way], asked: Asked) -> str:
    """The way that is chosen already: the one asked for, else the one by which most would pass; empty: none."""
    if any(way.kind == asked.choice and way.is_open for way in ways):
        return asked.choice
    best = max(ways, key=lambda way: way.solves, default=None)
    return best.kind if best and any(best.solves) else ""
