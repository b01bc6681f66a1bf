"""`relay dead edit`: change the event of a dead letter, keep the original."""

import time
from typing import TYPE_CHECKING

import click
import orjson

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.dead.choice import read_letters
from worker.cli.dead.options import DRY_RUN, JSON
from worker.cli.dead.show import describe, verdict
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json, say

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.letter import Letter

_WHY = {
    "gone": "it is no dead letter any more: it was replayed or discarded meanwhile",
    "in hand": "a replay has it in hand; try again when that is over (relay jobs)",
    "changed": "somebody else has changed it meanwhile; look at it again",
}


@click.command()
@click.argument("letter_id", metavar="LETTER")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a field; VALUE is JSON, or text.")
@click.option("--unset", "removals", multiple=True, metavar="PATH", help="Remove a field.")
@click.option("--new-identity", is_flag=True, help="Make it another event for Customer.io: see below.")
@DRY_RUN
@WHY
@BY
@JSON
def dead_edit(
    letter_id: str,
    *,
    settings: tuple[str, ...],
    removals: tuple[str, ...],
    new_identity: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Edit the event of LETTER: with --set and --unset, else in $EDITOR. It is not replayed by that.

    The original is kept. The event keeps its ULID: if Customer.io took the original after all, it ignores the edited
    one as a repetition; --new-identity sends it as an event of its own. An event that now names another person moves
    to that person's shard, and its id changes with it.
    """
    parts = open_parts()
    before = read_letters(parts.dead_letters, [letter_id])[0]
    raw = _changed(before, settings, removals) if settings or removals else _in_editor(before)
    if raw is None:
        say("nothing was changed", err=True)
        raise click.exceptions.Exit(1)
    after = _edited(parts, before, raw, doer(by), new_identity=new_identity)
    if not dry_run:
        after = _write(parts, before, after)
        paths = ", ".join(after.edits[-1].paths)
        record(parts, "dead edit", f"letter {before.id}", by=by, why=message, result=f"changed in {paths}")
    told = describe(parts, after)
    if as_json:
        echo_json(told)
        return
    moved = "" if after.id == before.id else f", and is now {after.id}, on its person's shard"
    say(f"{before.id} {'would be' if dry_run else 'is'} changed in {', '.join(after.edits[-1].paths)}{moved}")
    say(f"replayed now it would be {verdict(told['now'])}")
    if not dry_run:
        say(f"next: relay dead replay {after.id}")


def _changed(letter: "Letter", settings: tuple[str, ...], removals: tuple[str, ...]) -> bytes | None:
    from worker.dead.edits import put, read_value, take_out
    from worker.dead.letter import raw_of
    from worker.purchasely.event import read_event

    try:
        payload = read_event(letter.entry_id, raw_of(letter)).fields()
    except ValueError:
        raise click.ClickException("the event is no JSON object: edit it as text, without --set") from None
    try:
        for text in settings:
            path, equals, value = text.partition("=")
            if not path or not equals:
                raise click.UsageError(f"--set takes PATH=VALUE, not {text!r}")
            put(payload, path, read_value(value))
        for path in removals:
            take_out(payload, path)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return None if orjson.loads(raw_of(letter)) == payload else orjson.dumps(payload)


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
