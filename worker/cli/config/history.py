"""`relay config show`, `log`, `diff` and `export`: what was in force, when, and who made it so."""

import difflib
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.columns import columns, fitted
from worker.cli.completing import INTEGRATIONS, REVISIONS
from worker.cli.printing import arrows, echo_json, local_time, say, say_lines, terminal_width
from worker.errors import OperatorError

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.revisions.store import Revision

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="[N]", required=False, shell_complete=REVISIONS)
@_JSON
def show(number: int | None, *, as_json: bool) -> None:
    """Show revision N, or the one in force: when, who, why, and what it says. Secrets are references in it."""
    parts, revision = _find(number)
    head = parts.revisions.head()
    if as_json:
        echo_json({**_about(revision), "in_force": revision.number == head, "text": revision.text})
        return
    state = "in force" if revision.number == head else f"in force is {head}"
    say(f"revision {revision.number} ({state})", bold=True)
    say(
        f"{local_time(revision.at_ms)}, by {revision.by or 'unknown'}, {revision.origin}, sha256 {revision.digest[:12]}"
    )
    if revision.note:
        say_lines(revision.note)
    say()
    say_lines(revision.text)


@click.command()
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many revisions to show."
)
@_JSON
def log(*, limit: int, as_json: bool) -> None:
    """Show the revisions, the newest first: when, who, out of what, why."""
    from worker.cli.parts import open_parts

    revisions = open_parts().revisions.all()
    if as_json:
        echo_json({"items": [_about(one) for one in revisions[:limit]], "next": None})
        return
    rows = [["revision", "when", "by", "from", "sha256", "note"]]
    rows += [
        [str(one.number), local_time(one.at_ms), one.by, one.origin, one.digest[:12], one.note]
        for one in revisions[:limit]
    ]
    narrow = fitted(rows, terminal_width(), [4, 3], [(5, 16), (2, 8)])
    for line in columns(narrow) if revisions else ["no revision yet: `relay config apply FILE` makes the first one"]:
        say(line)


@click.command()
@click.argument("first", type=click.IntRange(1), metavar="A", shell_complete=REVISIONS)
@click.argument("second", type=click.IntRange(1), metavar="[B]", required=False, shell_complete=REVISIONS)
@_JSON
def diff(first: int, second: int | None, *, as_json: bool) -> None:
    """Show what differs from revision A to B, or to the one in force: in words, then line by line."""
    from config.difference import difference
    from config.integrations import ConfigError, parse

    parts, old = _find(first)
    _, new = _find(second)
    names = [f"revision {one.number}" for one in (old, new)]
    try:
        sides = [
            parse(one.text, name, parts.secrets, lenient=True) for one, name in zip((old, new), names, strict=True)
        ]
        lines = difference(*sides)
    except ConfigError as error:
        lines = [str(error)]  # of another release: its lines can be compared all the same
    former, later = (one.text.splitlines(keepends=True) for one in (old, new))
    text = "".join(difflib.unified_diff(former, later, names[0], names[1], n=2))
    if as_json:
        echo_json({"from": old.number, "to": new.number, "items": lines, "next": None, "text": text})
        return
    say_lines(map(arrows, lines or ["nothing differs in what it says"]))
    if text:
        say()
        say_lines(text)


@click.command()
@click.argument("number", type=click.IntRange(1), metavar="[N]", required=False, shell_complete=REVISIONS)
@click.option("--integration", metavar="NAME", help="Only this one, with its source.", shell_complete=INTEGRATIONS)
@_JSON
def export(number: int | None, integration: str | None, *, as_json: bool) -> None:
    """Print the file of revision N, or of the one in force, as it was applied: byte for byte, without a secret."""
    from worker.acts.exporting import only

    _, revision = _find(number)
    text = only(revision.text, integration) if integration else revision.text
    if as_json:
        echo_json({"revision": revision.number, "text": text})
        return
    if sys.stdout.isatty():
        say_lines(text)
    else:
        click.echo(text.encode(), nl=False)  # byte for byte, into a file


def _find(number: int | None) -> "tuple[Relay, Revision]":
    from worker.cli.parts import open_parts
    from worker.revisions.live import NO_CONFIG

    parts = open_parts()
    wanted = number or parts.revisions.head()
    if not wanted:
        raise OperatorError(NO_CONFIG)
    return parts, parts.revisions.get(wanted)


def _about(revision: "Revision") -> dict[str, object]:
    return {
        "revision": revision.number,
        "at_ms": revision.at_ms,
        "by": revision.by,
        "origin": revision.origin,
        "note": revision.note,
        "digest": revision.digest,
        "removed": revision.removed,
    }
