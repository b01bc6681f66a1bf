"""`relay dead discard` and `relay dead trail`: give letters up, and see who did."""

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, doer, record
from worker.cli.columns import columns
from worker.cli.dead.choice import choose
from worker.cli.dead.options import ALL, DRY_RUN, JSON, YES, confirm, filters
from worker.cli.dead.overview import cause_words
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, several, span

if TYPE_CHECKING:
    from worker.dead.letter import Letter

_SHOWN = 12
_MESSAGE_LIMIT = 300


@click.command()
@click.argument("ids", nargs=-1, metavar="[GROUP|LETTER]...")
@filters
@ALL
@click.option("--message", "-m", required=True, metavar="TEXT", help="Why, for the trail.")
@YES
@DRY_RUN
@BY
@JSON
def dead_discard(
    ids: tuple[str, ...],
    *,
    everything: bool,
    message: str,
    yes: bool,
    dry_run: bool,
    by: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Discard LETTERs, or those of a group or filter: they are never sent, and count as filtered (discarded).

    Only a `relay dead export` taken before brings them back. Exit 1 when some were left alone.
    """
    if not message.strip():
        raise click.UsageError("-m says why, to whoever reads the trail")
    parts = open_parts()
    choice = choose(parts, ids, flags, everything=everything)
    letters = [_slim(letter) for letter in choice.find()]
    if not as_json:
        _show(Counter((one.integration, cause_words(*one.about.values())) for one in letters))
    if dry_run or not letters:
        if as_json:
            echo_json({"matched": len(letters), "discarded": 0, "left": {}})
        return
    confirm(f"discard {several(len(letters), 'letter')} for good?", yes=yes, as_json=as_json)
    changes = Counter(change for _, change in parts.dead_changes.discard(letters, message[:_MESSAGE_LIMIT], doer(by)))
    done = changes.pop("done", 0)
    record(
        parts,
        "dead discard",
        choice.text,
        by=by,
        why=message,
        result=f"{done} letters discarded",
    )
    if as_json:
        echo_json({"matched": len(letters), "discarded": done, "left": changes})
    else:
        left = "".join(f"; {count(number)} left alone: {why}" for why, number in changes.items())
        say(f"{several(done, 'letter')} discarded{left}")
    if changes:
        raise click.exceptions.Exit(1)


def _slim(letter: "Letter") -> "Letter":
    """A letter without what takes room; a discard needs no more."""
    import msgspec

    return msgspec.structs.replace(
        letter, raw="", raw_base64="", original="", original_base64="", attempts=[], operations=[]
    )


def _show(causes: Counter[tuple[str, str]]) -> None:
    rows = [[count(number), integration, message] for (integration, message), number in causes.most_common(_SHOWN)]
    for line in columns(rows, right=[0]) if rows else ["no dead letter matches"]:
        say(line)
    if len(causes) > _SHOWN:
        say(f"and {len(causes) - _SHOWN} more causes")


@click.command()
@click.option("--integration", "integrations", multiple=True, metavar="NAME", help="Only this integration.")
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
    for line in columns(rows) if notes else ["nothing was discarded"]:
        say(line)
