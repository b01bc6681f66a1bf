"""Three-way merge of configurations: what two people changed since the same revision, key by key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from config.examine import examine
from config.rewrite import Rewrite, UneditableError
from config.statements import Key, written, written_key

Choice = Literal["mine", "theirs"]

_ABSENT: Final = object()
# Never shown, not even sealed.
_SECRETS: Final = frozenset({"site_id", "api_key", "webhook_secret", "tokens"})
_UNITS: Final = ("sources", "integrations")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A key or a whole table that both changed: what it was, in the draft, and in force, as the file writes it."""

    key: str
    was: str
    mine: str
    theirs: str
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """The text that has both changes; where there is a conflict without a choice, what is in force stays."""

    text: str
    conflicts: tuple[Conflict, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def open(self) -> tuple[Conflict, ...]:
        """The conflicts that nobody has decided."""
        return tuple(one for one in self.conflicts if one.choice is None)


def merge(base: str, mine: str, theirs: str, choices: Mapping[str, Choice] | None = None) -> Merged:
    """Put what `mine` changed since `base` into `theirs`; `choices` decide conflicts, by key.

    Comments are those of `theirs`, unless only one of the two changed anything.
    """
    if theirs in {base, mine}:
        return Merged(mine)
    if mine == base:
        return Merged(theirs)
    merge_of = _Merge(base, mine, theirs, choices or {})
    try:
        merge_of.run()
    except UneditableError as error:
        return Merged(theirs, tuple(merge_of.conflicts), (str(error),))
    text = merge_of.rewrite.text
    errors = (f"{written_key(tuple(map(str, place)))}: {said}" for place, said in examine(text).errors)
    return Merged(text, tuple(merge_of.conflicts), tuple(errors))


class _Merge:
    """One merge: the text as it grows, and the conflicts met."""

    def __init__(self, base: str, mine: str, theirs: str, choices: Mapping[str, Choice]) -> None:
        self.base, self.mine, self.theirs = (tomllib.loads(text) for text in (base, mine, theirs))
        self.rewrite = Rewrite(theirs)
        self.conflicts: list[Conflict] = []
        self._choices = choices

    def run(self) -> None:
        """Merge everything: whole sources and integrations first, then the keys of those that all have."""
        whole = {place for kind in _UNITS for place in self._units(kind) if self._unit(place)}
        keys = [key for key in {**_leaves(self.base), **_leaves(self.mine)} if key[:2] not in whole]
        changes: dict[Key, dict[str, Any]] = {}
        for key in keys:
            was, mine, theirs = (_at(data, key) for data in (self.base, self.mine, self.theirs))
            if mine in (was, theirs):
                continue
            if theirs == was or self._choose(key, was, mine, theirs) == "mine":
                changes.setdefault(key[:-1], {})[key[-1]] = None if mine is _ABSENT else mine
        for table, values in changes.items():
            self.rewrite.change(table, values)

    def _units(self, kind: str) -> list[Key]:
        return [(kind, name) for name in {**self.base.get(kind, {}), **self.mine.get(kind, {})}]

    def _unit(self, place: Key) -> bool:
        """Merge a source or integration that one of the two added or removed; False: its keys are to be merged."""
        was, mine, theirs = (_at(data, place) for data in (self.base, self.mine, self.theirs))
        if sum(one is _ABSENT for one in (was, mine, theirs)) == 0 or (was is _ABSENT and theirs is not _ABSENT):
            return False
        if mine in (was, theirs):
            return True
        if theirs == was or self._choose(place, was, mine, theirs) == "mine":
            if theirs is not _ABSENT:
                self.rewrite.remove(place)
            if mine is not _ABSENT:
                self.rewrite.add(place, mine)
        return True

    def _choose(self, key: Key, was: Any, mine: Any, theirs: Any) -> Choice | None:
        name = written_key(key)
        choice = self._choices.get(name)
        secret = key[-1] in _SECRETS
        self.conflicts.append(
            Conflict(
                name,
                _shown(was, "the former secret" if secret else ""),
                _shown(mine, "another secret" if secret else ""),
                _shown(theirs, "yet another secret" if secret else ""),
                choice,
            )
        )
        return choice


def _leaves(data: Mapping[str, Any], above: Key = ()) -> dict[Key, Any]:
    """Every value that is no table, by its key."""
    found: dict[Key, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            found.update(_leaves(value, (*above, key)))
        else:
            found[*above, key] = value
    return found


def _at(data: Any, key: Key) -> Any:
    for part in key:
        if not isinstance(data, dict) or part not in data:
            return _ABSENT
        data = data[part]
    return data


def _shown(value: Any, instead: str) -> str:
    """A value as the file writes it; of a table that it is there, of a secret only what can be said."""
    if value is _ABSENT:
        return "no line"
    return instead or ("present" if isinstance(value, dict) else written(value))
