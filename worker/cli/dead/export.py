"""`relay dead export` and `relay dead import`: dead letters as NDJSON, out and back."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.choice import choose
from worker.cli.dead.options import DRY_RUN, JSON, LETTERS, filters
from worker.cli.given import GivenFile
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, several
from worker.cli.progress import counted

_REFUSALS_TOLD = 20


@click.command()
@LETTERS
@filters
@click.option(
    "--output", metavar="FILE", help="Write there, to a file that only you may read.  [default: standard output]"
)
@JSON
def dead_export(ids: tuple[str, ...], *, output: str | None, as_json: bool, **flags: Any) -> None:
    """Export LETTERs, those of a group or filter, or all: one JSON object a line, with everything that is known of it.

    What is exported holds the events themselves, with whatever they tell of people. Nothing is removed.
    """
    from worker.dead.letter import encode_letter

    parts = open_parts()
    letters = counted(choose(parts, ids, flags, by_default=True).find(), "letters", quiet=as_json)
    number = 0
    try:
        with _opened(output) as file:
            for letter in letters:
                file.write(encode_letter(letter) + b"\n")
                number += 1
    except OSError as error:
        if output is None:
            raise  # whoever read standard output has gone: click ends quietly
        raise click.ClickException(
            f"cannot write {output}: {error.strerror}; without --output it is printed (> FILE)"
        ) from None
    if output and as_json:
        echo_json({"exported": number, "file": output})
    elif not as_json:
        say(f"{several(number, 'letter')} exported", err=True)


def _opened(output: str | None) -> AbstractContextManager[IO[bytes]]:
    if output is None:
        return os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    from worker.process.private_file import private_file

    return private_file(Path(output))


@click.command()
@click.argument("file", type=GivenFile())
@DRY_RUN
@WHY
@BY
@JSON
def dead_import(file: IO[bytes], *, dry_run: bool, message: str, by: str | None, as_json: bool) -> None:
    """Import FILE (- for standard input): letters that are not there come back, others stay as they are.

    A letter that comes back counts as one more accepted event, whatever became of it before; its ULID is the old one,
    so Customer.io ignores it if it was delivered. Exit 1 when a line was refused.
    """
    from worker.acts.importing import restore
    from worker.errors import OperatorError

    parts = open_parts()
    refusals = 0

    def refuse(number: int, why: str) -> None:
        nonlocal refusals
        refusals += 1
        if refusals <= _REFUSALS_TOLD:
            say(f"line {number}: {why}", err=True)

    lines = counted(file, "lines", quiet=as_json)
    try:
        done = restore(parts, lines, getattr(file, "name", "-"), acting(by, message), refuse, dry_run=dry_run)
    except OperatorError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        told = {"restored": done.restored, "already_there": done.there, "refused": done.refused, "dry_run": dry_run}
        echo_json(told)
    else:
        would = "would be " if dry_run else ""
        what = several(done.restored, "letter")
        say(f"{what} {would}restored, {count(done.there)} already there, {count(done.refused)} refused")
    if done.refused:
        raise click.exceptions.Exit(1)
