"""`relay dead edit`: change the event of a dead letter, keep the original."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from worker.acts.editing import Tried, edit_letters, try_edit
from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.choice import choose
from worker.cli.dead.edit_one import edit_one
from worker.cli.dead.options import ALL, DRY_RUN, JSON, LETTERS, YES, filters
from worker.cli.dead.plan import Which, plan
from worker.cli.parts import open_parts
from worker.cli.printing import count, say, say_lines, several, terminal_width
from worker.cli.progress import counted
from worker.cli.running import WAIT, Running

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.edits import Changes
    from worker.dead.letter import Letter


@click.command()
@LETTERS
@filters
@ALL
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a field; VALUE is JSON, or text.")
@click.option("--unset", "removals", multiple=True, metavar="PATH", help="Remove a field.")
@click.option("--copy", "copies", multiple=True, metavar="PATH=OTHER", help="Set a field to what another field has.")
@click.option("--ms", "seconds", multiple=True, metavar="PATH", help="Make the seconds of a field milliseconds.")
@click.option("--new-identity", is_flag=True, help="Make it another event for Customer.io: see below.")
@WAIT
@YES
@DRY_RUN
@WHY
@BY
@JSON
def dead_edit(
    ids: tuple[str, ...],
    *,
    everything: bool,
    settings: tuple[str, ...],
    removals: tuple[str, ...],
    copies: tuple[str, ...],
    seconds: tuple[str, ...],
    new_identity: bool,
    wait: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Edit the event of LETTER: with --set, --copy, --ms and --unset, else in $EDITOR. It is not replayed by that.

    \b
    relay dead edit production.3.1700000000000-0 --set user_id=customer-0101
    relay dead edit 2 --set event_name=SUBSCRIPTION_RENEWED --dry-run
    relay dead edit 3 --ms event_created_at_ms
    relay dead edit 4 --copy user_id=customer.id

    Of a GROUP (a number of `relay dead`) or a filter, all letters are changed alike, as a job of the workers; what a
    replay would do then is said first. The original is kept. The event keeps its ULID: if Customer.io took the original
    after all, it ignores the edited one as a repetition; --new-identity sends it as an event of its own. An event that
    now names another person moves to that person's shard, and its id changes with it.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.dead.edits import read_changes

    try:
        wanted = read_changes(settings, removals, copies, seconds, new_identity=new_identity)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    parts = open_parts()
    choice = choose(parts, ids, flags, everything=everything)
    if len(choice.ids) == 1:
        edit_one(parts, choice.ids[0], wanted, acting(by, message), dry_run=dry_run, as_json=as_json)
        return
    if not wanted:
        raise click.UsageError("several letters are changed alike: say how with --set, --copy, --ms or --unset")
    tried = _try(parts, counted(choice.find(), "letters", quiet=as_json), wanted, choice.typed_of, as_json=as_json)
    found = {name: getattr(tried, name) for name in _TRIED}
    then = choice.typed if choice.is_kept_by_edits else "--job {job}"
    running = Running(dry_run, yes, wait, as_json, found, then=f"next: relay dead replay {then}")
    question, doer = f"change {several(len(tried.ids), 'letter')}?", acting(by, message)
    running.run(parts.jobs, len(tried.ids), question, lambda: edit_letters(parts, tried, wanted, choice.text, doer))


_TRIED = ("unchanged", "unfit", "orphans", "survey")


def _try(parts: "Relay", letters: "Iterable[Letter]", wanted: "Changes", which: Which, *, as_json: bool) -> "Tried":
    """What the edit would do to all of them, said to people."""
    tried = try_edit(parts, letters, wanted)
    if as_json:
        return tried
    left = ((tried.unchanged, "like that already"), (tried.unfit, "do not fit"), (tried.orphans, "of no integration"))
    rest = "".join(f"; {count(number)} {why}" for number, why in left if number)
    say(f"{several(len(tried.ids), 'letter')} would be changed{rest}")
    if tried.ids:
        say("Replayed after that:")
        say_lines(plan(tried.survey, len(tried.ids), {}, which, terminal_width()))
    return tried
