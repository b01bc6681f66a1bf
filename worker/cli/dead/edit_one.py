"""The edit of one dead letter: at once, by options or in an editor; the original is kept."""

import time
from typing import TYPE_CHECKING

import click
import orjson

from worker.acts.record import Doer, record
from worker.cli.dead.choice import read_letters
from worker.cli.dead.show import describe, verdict
from worker.cli.printing import echo_json, say

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.edits import Changes
    from worker.dead.letter import Letter

_WHY = {
    "gone": "it is no dead letter any more: it was replayed or discarded meanwhile",
    "in hand": "a replay has it in hand; try again when that is over (relay jobs)",
    "changed": "somebody else has changed it meanwhile; look at it again",
}


def edit_one(parts: "Relay", letter_id: str, wanted: "Changes", doer: Doer, *, dry_run: bool, as_json: bool) -> None:
    """Change one letter at once, by hand where no change is given."""
    from worker.ledger.figures import Ledger

    before = read_letters(parts.dead_letters, [letter_id])[0]
    raw = _changed(before, wanted) if wanted else _in_editor(before)
    if raw is None:
        say("nothing was changed", err=True)
        raise click.exceptions.Exit(1)
    after = _edited(parts, before, raw, doer.by, new_identity=wanted.new_identity)
    if not dry_run:
        after = _write(parts, before, after)
        paths = ", ".join(after.edits[-1].paths)
        record(parts.redis, doer, "dead edit", f"letter {before.id}", f"changed in {paths}")
    told = describe(parts, after, Ledger(parts).owning_file())
    if as_json:
        echo_json(told)
        return
    moved = "" if after.id == before.id else f", and is now {after.id}, on its person's shard"
    say(f"{before.id} {'would be' if dry_run else 'is'} changed in {', '.join(after.edits[-1].paths)}{moved}")
    say(f"replayed now it would be {verdict(told['now'])}")
    if not dry_run:
        say(f"next: relay dead replay {after.id}")


def _changed(letter: "Letter", wanted: "Changes") -> bytes | None:
    from worker.dead.letter import raw_of

    try:
        return wanted.apply(letter)
    except ValueError as error:
        if _is_object(raw_of(letter)):
            raise click.UsageError(str(error)) from None
        raise click.ClickException("the event is no JSON object: edit it as text, without --set") from None


def _is_object(raw: bytes) -> bool:
    try:
        return isinstance(orjson.loads(raw), dict)
    except ValueError:
        return False


def _in_editor(letter: "Letter") -> bytes | None:
    from worker.dead.letter import raw_of

    raw = raw_of(letter)
    try:
        shown = orjson.dumps(orjson.loads(raw), option=orjson.OPT_INDENT_2).decode()
    except (ValueError, TypeError):  # no JSON, or nested deeper than orjson writes
        shown = raw.decode("utf-8", "replace")
    text = click.edit(shown, extension=".json")
    if text is None or text.strip() == shown.strip():
        return None
    try:
        return orjson.dumps(orjson.loads(text))
    except ValueError as error:
        raise click.ClickException(f"this is no JSON ({error}); nothing was changed") from None


def _edited(parts: "Relay", letter: "Letter", raw: bytes, by: str, *, new_identity: bool) -> "Letter":
    from worker.dead.edits import edit

    most = parts.settings.max_event_bytes
    if len(raw) > most:
        raise click.ClickException(f"the event would be {len(raw)} bytes; the limit is {most} (RELAY_MAX_EVENT_BYTES)")
    chain = parts.integrations.identity(letter.source)
    try:
        return edit(letter, raw, by, time.time_ns() // 1_000_000, new_identity=new_identity, identity=chain)
    except ValueError as error:
        raise click.ClickException(f"{error}; nothing was changed") from None


def _write(parts: "Relay", before: "Letter", after: "Letter") -> "Letter":
    from worker.dead.edits import home

    shard = home(after, parts.settings.shards)
    if shard == before.shard:
        change = parts.dead_changes.rewrite(before, after)
    else:
        change, after = parts.dead_changes.move(before, after, shard)
    if change != "done":
        raise click.ClickException(f"{before.id} is not changed: {_WHY[change]}")
    return after
