"""`relay suppress`: the suppression list, people who are sent nothing."""

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.printing import echo_json, local_time, say_lines


@click.group()
def suppress() -> None:
    """Suppress people: their events are filtered, nothing about them is sent."""


@suppress.command("add")
@click.argument("person")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def add(person: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Suppress PERSON (a user id, anonymous id or e-mail), from the next batch on."""
    from worker.acts.people import suppress as suppress_person
    from worker.cli.parts import open_parts

    done = suppress_person(open_parts(), person, acting(by, message))
    answer: dict[str, object] = {"suppressed": True, "new": done.changed, "copied": done.copied}
    _say(answer, [("suppressed" if done.changed else "was suppressed already") + _undone(copied=done.copied)], as_json)


@suppress.command("remove")
@click.argument("person")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def remove(person: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Send events about PERSON again; what was filtered meanwhile stays filtered."""
    from worker.acts.people import unsuppress
    from worker.cli.parts import open_parts

    done = unsuppress(open_parts(), person, acting(by, message))
    answer: dict[str, object] = {"suppressed": False, "known": done.changed, "copied": done.copied}
    said = "no longer suppressed" if done.changed else "was not suppressed"
    _say(answer, [said + _undone(copied=done.copied)], as_json)
    if not done.changed:
        raise click.exceptions.Exit(1)


@suppress.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """Show who is suppressed, and since when."""
    from worker.cli.parts import open_parts

    found = open_parts().suppressed.list()
    items = [{"person": person, "since_ms": since_ms} for person, since_ms in found.items()]
    lines = [f"{local_time(since_ms)}  {who}" for who, since_ms in found.items()]
    _say({"items": items, "next": None}, lines or ["nobody is suppressed"], as_json)


def _undone(*, copied: bool) -> str:
    """What is said when no replica has what was done yet."""
    return "" if copied else "; no replica of Redis has this yet: after a fail-over look at `relay suppress list`"


def _say(answer: dict[str, object], lines: list[str], as_json: bool) -> None:
    if as_json:
        echo_json(answer)
    else:
        say_lines(lines)
