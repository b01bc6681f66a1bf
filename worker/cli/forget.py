"""`relay forget`: remove a person from everything the relay keeps."""

import click
import msgspec

from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.options import confirm
from worker.cli.printing import echo_json, say, say_hanging, several


@click.command()
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON; needs --yes.")
def forget(person: str, message: str, by: str | None, *, yes: bool, as_json: bool) -> None:
    """Remove PERSON (a user id, anonymous id or e-mail) from streams, dead letters, state and the archive.

    E-mail addresses are compared without regard to case. Other people's states and settled events that name the person
    (transfers) are cleared too; what is left is listed with the reason. What `relay dead discard` saved is cleared in
    this machine's data folder; files of other machines, exported dead letters and backups are not looked at.

    Nothing is sent to Customer.io: delete the person there as well. Events that arrive later are taken as usual,
    unless the person is suppressed too. Redis frees the bytes of deleted stream entries with the blocks they are in,
    when the retention time is over.
    """
    from worker.acts.people import forget as forget_person
    from worker.cli.parts import open_parts

    question = "Their events that wait will not be sent, their dead letters are gone. Go on?"
    confirm(question, yes=yes, as_json=as_json)
    done = forget_person(open_parts(), person, acting(by, message))
    removed, rewriting = done.removed, done.rewriting
    if as_json:
        echo_json(msgspec.to_builtins(removed) | {"saved_letters": done.saved, "aof_rewrite_started": rewriting})
        return
    archived = f"; {several(removed.archived, 'archived event')}" if removed.archived else ""
    saved = "saved dead letter"
    say_hanging(
        f"removed {several(removed.entries, 'stored event')} ({removed.waiting} of them still waited), "
        f"{several(removed.dead_letters, 'dead letter')}, {several(removed.states, 'state')}; of other people's, which "
        f"named the person, {several(removed.mentions, 'event')}, and the name out of "
        f"{several(removed.cleared, 'state')}"
        f"{archived}{f'; {several(done.saved, saved)}' if done.saved else ''}"
    )
    for left in removed.left:
        say(f"left: {left.count} {left.what}: {left.why}")
    if not rewriting:
        say("Redis did not start to rewrite its append-only file: ask for BGREWRITEAOF, and mind its backups")
