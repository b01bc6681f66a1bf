"""`relay dead discard` and `relay dead trail`: give letters up, and see who did."""

import shlex
import time
from collections import Counter
from typing import Any

import click

from worker.cli.acting import BY, acting
from worker.cli.columns import columns, fitted
from worker.cli.dead.choice import choose
from worker.cli.dead.options import ALL, DRY_RUN, JSON, LETTERS, YES, confirm, filters
from worker.cli.dead.rows import cause_words
from worker.cli.integrations import several_integrations
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, several, span, terminal_width
from worker.cli.progress import counted

_SHOWN = 12


@click.command()
@LETTERS
@filters
@ALL
@click.option("--message", "-m", required=True, metavar="TEXT", help="Why, for the trail.")
@click.option("--no-save", is_flag=True, help="Do not save the letters first: there is no way back then.")
@YES
@DRY_RUN
@BY
@JSON
def dead_discard(
    ids: tuple[str, ...],
    *,
    everything: bool,
    message: str,
    no_save: bool,
    yes: bool,
    dry_run: bool,
    by: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Discard LETTERs, or those of a group or filter: they are never sent, and count as filtered (discarded).

    They are saved to a file in the data folder (RELAY_DATA_DIR) first, which is kept for a week: `relay dead import`
    of it undoes the discard. Exit 1 when some were left alone.
    """
    from worker.acts.discarding import discard

    if not message.strip():
        raise click.UsageError("-m says why, to whoever reads the trail")
    parts = open_parts()
    choice = choose(parts, ids, flags, everything=everything)
    found = [
        (letter.id, letter.integration, cause_words(*letter.about.values()))
        for letter in counted(choice.find(), "letters", quiet=as_json)
    ]
    if not as_json:
        _show(Counter((integration, cause) for _, integration, cause in found))
    if dry_run or not found:
        if as_json:
            echo_json({"matched": len(found), "discarded": 0, "left": {}, "saved": None})
        return
    confirm(f"discard {several(len(found), 'letter')}?", yes=yes, as_json=as_json)
    done = discard(parts, [dead_id for dead_id, _, _ in found], choice.text, acting(by, message), save=not no_save)
    if as_json:
        told = {"matched": len(found), "discarded": done.done, "left": done.left, "saved": done.file or None}
        echo_json(told)
    else:
        left = "".join(f"; {count(number)} left alone: {why}" for why, number in done.left.items())
        say(f"{several(done.done, 'letter')} discarded{left}")
        if done.file:
            say(f"undo: relay dead import {shlex.quote(done.file)}")
    if done.left:
        raise click.exceptions.Exit(1)


def _show(causes: Counter[tuple[str, str]]) -> None:
    rows = [[count(number), integration, message] for (integration, message), number in causes.most_common(_SHOWN)]
    for line in columns(rows, right=[0]) if rows else ["no dead letter matches"]:
        say(line)
    if len(causes) > _SHOWN:
        say(f"and {several(len(causes) - _SHOWN, 'more cause')}")


@click.command()
@several_integrations()
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many notes to show.")
@JSON
def dead_trail(integrations: tuple[str, ...], *, limit: int, as_json: bool) -> None:
    """Show what was discarded, the newest first: which letter, when, who and why.

    Kept are the newest thousand notes of each integration and shard, without the events.
    """
    parts = open_parts()
    notes = parts.dead_changes.trail(integrations or parts.known_integrations(), limit)
    if as_json:
        echo_json({"items": notes, "next": None})
        return
    now_ms = time.time_ns() // 1_000_000
    rows = [["letter", "discarded", "by", "cause", "why"]]
    rows += [
        [
            note.id,
            f"{span(now_ms - note.at_ms)} ago",
            note.by,
            cause_words(note.reason, note.field, note.status, note.event),
            note.message,
        ]
        for note in notes
    ]
    narrow = fitted(rows, terminal_width(), [2], [(3, 20), (4, 12)])
    for line in columns(narrow) if notes else ["nothing was discarded"]:
        say(line)
