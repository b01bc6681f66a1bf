"""`relay config plan`: what a file would change, before it does."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from worker.cli.archive import ARCHIVE, wanted
from worker.cli.printing import (
    Styled,
    arrows,
    count,
    echo_json,
    say,
    say_hanging,
    say_lines,
    several,
    show_progress,
    span,
)

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.history.effects import Tally
    from worker.history.planned import Change, Plan
    from worker.machine.serverfacts import Fact

SINCE = click.option("--since", default="24h", show_default=True, metavar="TIME", help="How far back: 30m, 24h, 3d.")
_EFFECTS = {
    "newly_sent": "newly sent",
    "no_longer_sent": "no longer sent",
    "renamed": "renamed",
    "changed": "with other attributes",
    "newly_dead": "newly dead",
    "no_longer_dead": "no longer dead",
}
_KINDS = 5


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@SINCE
@ARCHIVE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--offline", is_flag=True, help="Do not ask Customer.io about the keys.")
@click.option("--exit-code", is_flag=True, help="Exit 1 when something would change, as in CI.")
def plan(file: Path, since: str, *, with_archive: bool, as_json: bool, offline: bool, exit_code: bool) -> None:
    """Show what FILE (- for standard input) would change: in words, and on the events still stored. Nothing changes.

    Both revisions are run over the same events, as if they came again: which are newly sent, no longer sent, renamed
    or dead, and whose properties would differ. Keys that are new are tried, where their secrets are at hand.
    """
    from worker.cli.given import read_given, spoken
    from worker.cli.parts import open_parts

    parts = open_parts()
    text, name = read_given(file), spoken(file)
    archive = wanted(parts, with_archive=with_archive) is not None
    found, lines = look(parts, text, name, since, quiet=as_json, archive=archive)
    keys = [] if offline else ask_keys(parts, found, text, name)
    if as_json:
        from worker.history.planned import plan_dict

        echo_json({**plan_dict(found), "difference": lines, "keys": keys, "warnings": warned_of(parts, text)})
    else:
        show(found, lines)
        show_keys(keys)
        show_warnings(parts, text)
        _show_once(parts, text)
    if exit_code and (lines or found.changes):
        raise click.exceptions.Exit(1)


def _show_once(parts: "Relay", text: str) -> None:
    """Where a file owns the configuration: that this text ran before, and what to do so that it runs again."""
    from worker.ledger.figures import Ledger

    number = parts.revisions.number_of(text)
    if number and text != parts.live.loaded.revision.text and Ledger(parts).owning_file():
        again = f"change a comment in it, or `relay config rollback {number}`"
        say(f"this text ran before, as revision {number}, and no start publishes it again: {again}", fg="yellow")


def look(
    parts: "Relay", text: str, path: str, since: str, *, quiet: bool, archive: bool = False
) -> "tuple[Plan, list[str]]":
    """The plan of a text, and the difference in words; progress on a terminal.

    Raises:
        OperatorError: the text has errors, a line each.
    """
    from config.difference import difference
    from worker.history.plan import make_plan, since_of
    from worker.revisions.owner import check

    new = check(text, path, parts.secrets)
    lines = difference(parts.live.loaded.integrations, new)
    began_s = time.monotonic()

    def progress(done: int, shards: int, events: int) -> None:
        if not quiet and sys.stderr.isatty() and time.monotonic() - began_s > 1:
            show_progress(f"{done} of {shards} shards, {count(events)} events", last=done == shards)

    return make_plan(parts, text, path, since_of(since), progress, archive=archive), lines


def ask_keys(parts: "Relay", found: "Plan", text: str, path: str) -> "list[Fact]":
    """What Customer.io says about the keys of integrations that are added or have another key."""
    from worker.machine.inspection import look_at_keys
    from worker.machine.serverfacts import Fact
    from worker.revisions.owner import check

    former = parts.live.loaded.integrations.integrations
    new = check(text, path, parts.secrets)
    facts, asked = [], {}
    for change in found.changes:
        one = new.integrations.get(change.integration)
        if one is None or not one.enabled:
            continue
        if one.unresolved:
            facts.append(Fact("customer.io", one.name, "ok", "its key was not tried: the secret is not at hand here"))
        elif one.name not in former or former[one.name].fingerprint != one.fingerprint:
            asked[one.name] = one
    if asked:
        facts += look_at_keys(replace(new, integrations=asked), parts.settings.request_timeout_s)
    return facts


def show_keys(keys: "list[Fact]") -> None:
    """What Customer.io says about the keys, for people."""
    for fact in keys:
        colour = {"ok": None, "warning": "yellow", "wrong": "red"}[fact.level]
        remedy = f"; {fact.remedy}" if fact.remedy else ""
        say(f"key of {fact.subject}: {fact.text}{remedy}", fg=colour)


def warned_of(parts: "Relay", text: str) -> list[str]:
    """What a text is warned of that what runs is not."""
    from config.examine import new_warnings

    return new_warnings(parts.live.loaded.revision.text, text)


def show_warnings(parts: "Relay", text: str) -> None:
    """The same, for people."""
    for line in warned_of(parts, text):
        say(f"warning: {line}", fg="yellow")


def show(found: "Plan", lines: list[str]) -> None:
    """The plan, for people."""
    against = f"revision {found.revision}" if found.revision else "no configuration"
    if not lines and not found.changes:
        say(f"nothing differs from {against}")
        return
    say(f"against {against}", bold=True)
    say_lines(f"  {arrows(line)}" for line in lines)
    say()
    say(_coverage(found))
    for change in found.changes:
        for line in _effect_lines(change):
            say_hanging(line) if isinstance(line, str) else say(line)
    for source in found.removed_sources:
        say(f"source {source} is removed: what is sent to it is answered 404", fg="yellow")


def _coverage(found: "Plan") -> str:
    covered = found.coverage
    if not covered.events:
        return "on retained traffic: no event is stored in that time, so only the words above say what changes"
    now_ms = time.time_ns() // 1_000_000
    first, last = span(max(0, now_ms - covered.first_ms)), span(max(0, now_ms - covered.last_ms))
    return f"on {several(covered.events, 'event')} received from {first} to {last} ago, all of them compared:"


def _effect_lines(change: "Change") -> Iterator[str | Styled]:
    yield Styled(f"{change.integration} ({_CHANGES[change.change]})", bold=True)
    if change.change == "removed":
        yield Styled(
            f"  given up for good: {several(change.waiting, 'waiting event')}, {several(change.dead, 'dead letter')}",
            fg="red",
        )
    said = False
    for effect, what in _EFFECTS.items():
        tally = change.found.effects.get(effect)
        if tally is not None:
            said = True
            yield from _tally_lines(tally, what)
    people = change.found.people
    if people.people:
        said = True
        kinds = ", ".join(f"{name} {count(number)}" for name, number in _most(people.kinds))
        yield f"  {_figure(people.people, 'person', 'people')} with other properties: {kinds}"
        for sample in people.samples[:1]:
            yield f"            as {sample.person}: {sample.before} → {sample.after}"
    if not said and change.change != "removed":
        yield "  no event and no person of this time would differ"


_CHANGES = {"added": "new", "removed": "removed", "changed": "changed", "key": "another key or start"}


def _tally_lines(tally: "Tally", what: str) -> Iterator[str]:
    kinds = ", ".join(f"{arrows(name) or '(no name)'} {count(number)}" for name, number in _most(tally.kinds))
    more = len(tally.kinds) - _KINDS
    people = several(tally.people, "person", "people")
    yield f"  {_figure(tally.events, 'event')} {what}, of {people}: {kinds}" + (f" and {more} more" if more > 0 else "")
    for sample in tally.samples[:1]:
        yield f"            as {sample.entry} {sample.event_name} of {sample.person}: {sample.before} → {sample.after}"


def _figure(number: int, one: str, many: str = "") -> str:
    """A number of things, under other numbers."""
    return f"{count(number):>9} {several(number, one, many).partition(' ')[2]}"


def _most(kinds: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))[:_KINDS]
