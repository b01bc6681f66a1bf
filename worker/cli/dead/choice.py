"""Choice of dead letters: by their ids, by the number of a group, or by a filter; all of them only when asked for."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from worker.cli.dead.options import take_filter

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.filters import Filter
    from worker.dead.groups import Group
    from worker.dead.letter import Letter
    from worker.dead.letters import DeadLetters


@dataclass(frozen=True)
class Choice:
    """Which letters are meant: those of `filters`, or of `ids` where there are some.

    `text` says so for the record; `numbers` are the groups that were named, `narrowed` the filter beside them.
    """

    letters: "DeadLetters"
    integrations: Sequence[str]
    filters: "Sequence[Filter]"
    ids: Sequence[str]
    text: str
    numbers: Sequence[int] = ()
    narrowed: str = ""

    @property
    def typed(self) -> str:
        """The same letters as another command takes them, to be pasted into a shell."""
        if self.numbers:
            return " ".join([*map(str, self.numbers), self.narrowed]).strip()
        return " ".join(map(shlex.quote, self.ids)) or self.text

    def typed_of(self, reason: str) -> str:
        """Those of a reason: what is done about one cause must not touch the letters of another."""
        if self.ids or (any(one.reasons for one in self.filters) and not self.numbers):
            return self.typed
        if self.numbers:
            own = [n for n, one in zip(self.numbers, self.filters, strict=True) if reason in one.reasons]
            return " ".join([*map(str, own or self.numbers), self.narrowed]).strip()
        return f"{self.text.removeprefix('--all')} --reason {shlex.quote(reason)}".strip()

    @property
    def is_kept_by_edits(self) -> bool:
        """Whether it means the same letters after an edit: an edit changes payloads, persons, and ids with those."""
        return not self.ids and not any(one.person or one.where for one in self.filters)

    def find(self) -> "Iterator[Letter]":
        """The letters, by integration and shard.

        Raises:
            click.ClickException: one of the ids is not there (exit 1).
        """
        if self.ids:
            found = read_letters(self.letters, sorted(set(self.ids)))
            return iter(sorted(found, key=lambda letter: (letter.integration, letter.shard)))
        return chain.from_iterable(
            self.letters.find(wanted.integrations or self.integrations, wanted) for wanted in self.filters
        )


def choose(
    parts: "Relay", typed: Sequence[str], flags: dict[str, Any], *, everything: bool = False, by_default: bool = False
) -> Choice:
    """The letters that a command is to act on; `flags` loses its filter options, `by_default` all are meant.

    Raises:
        click.UsageError: nothing, too much, or something that never was is named.
    """
    wanted = take_filter(flags, parts)
    numbers = [int(one) for one in typed if is_number(one)]
    if numbers and len(numbers) < len(typed):
        raise click.UsageError("give numbers of groups or ids of letters, not both")
    if typed and (everything or (wanted.text() and not numbers)):
        raise click.UsageError("give ids or filters, not both")
    if not typed and not wanted.text() and not (everything or by_default):
        raise click.UsageError("say which: the number of a group (relay dead lists them), ids, a filter, or --all")
    filters = [wanted]
    if numbers:
        if wanted.integrations or wanted.reasons or wanted.fields or wanted.statuses:
            raise click.UsageError("a number says which integration, reason, field and status: leave these filters out")
        numbers = list(dict.fromkeys(numbers))
        filters = [find_group(parts, number).narrow(wanted) for number in numbers]
    text = " + ".join(one.text() for one in filters)
    ids = () if numbers else tuple(typed)
    if ids:
        text = " ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
    elif everything:
        text = "--all"
    narrowed = wanted.text() if numbers else ""
    return Choice(parts.dead_letters, parts.known_integrations(), filters, ids, text, numbers, narrowed)


def is_number(text: str) -> bool:
    """Whether this is a group's number rather than a letter's id."""
    return text.isascii() and text.isdigit()


def find_group(parts: "Relay", number: int) -> "Group":
    """The group of a number, without its causes.

    Raises:
        click.UsageError: no group has it.
    """
    known = parts.dead_groups.numbered()
    if number not in known:
        there = ", ".join(map(str, sorted(known))) or "none yet"
        raise click.UsageError(f"no group has the number {number}; `relay dead` lists them ({there})")
    return known[number]


def read_letters(letters: "DeadLetters", ids: Sequence[str]) -> "list[Letter]":
    """The letters of these ids.

    Raises:
        click.UsageError: one is no id.
        click.ClickException: one is not there (exit 1).
    """
    try:
        found = letters.get(ids)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    for dead_id, letter in zip(ids, found, strict=True):
        if letter is None:
            raise click.ClickException(f"no dead letter {dead_id}: it was replayed or discarded, or never there")
    return [letter for letter in found if letter is not None]
