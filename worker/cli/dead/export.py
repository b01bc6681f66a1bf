"""`relay dead export` and `relay dead import`: dead letters as NDJSON, out and back."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.dead.choice import choose
from worker.cli.dead.options import DRY_RUN, JSON, LETTERS, filters
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, several
from worker.cli.progress import counted

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.letter import Letter

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
        raise click.ClickException(f"cannot write {output}: {error.strerror}") from None
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
@click.argument("file", type=click.File("rb"))
@DRY_RUN
@WHY
@BY
@JSON
def dead_import(file: IO[bytes], *, dry_run: bool, message: str, by: str | None, as_json: bool) -> None:
    """Import FILE (- for standard input): letters that are not there come back, others stay as they are.

    A letter that comes back counts as one more accepted event, whatever became of it before; its ULID is the old one,
    so Customer.io ignores it if it was delivered. Exit 1 when a line was refused.
    """
    parts = open_parts()
    restored, there, refused = 0, 0, 0
    mark = {"at_ms": time.time_ns() // 1_000_000, "by": doer(by)}
    room = _Room(parts)
    for number, read in counted(_lines(parts, file), "lines", quiet=as_json):
        if isinstance(read, str):
            refused += 1
            if refused <= _REFUSALS_TOLD:
                say(f"line {number}: {read}", err=True)
        elif _bring_back(parts, read, mark, room, dry_run=dry_run):
            restored += 1
        else:
            there += 1
    if restored and not dry_run:
        result = f"{several(restored, 'letter')} restored"
        record(parts, "dead import", getattr(file, "name", "-"), by=by, why=message, result=result)
    if as_json:
        echo_json({"restored": restored, "already_there": there, "refused": refused, "dry_run": dry_run})
    else:
        would = "would be " if dry_run else ""
        say(f"{several(restored, 'letter')} {would}restored, {count(there)} already there, {count(refused)} refused")
    if refused:
        raise click.exceptions.Exit(1)


class _Room:
    """How many letters each integration may still take."""

    def __init__(self, parts: "Relay") -> None:
        limit = parts.settings.dead_limit
        totals = parts.dead_letters.totals(parts.integrations.integrations)
        self._left = {name: limit - total for name, total in totals.items()}

    def take(self, integration: str) -> None:
        """Use one place.

        Raises:
            click.ClickException: there is none; what was imported so far stays.
        """
        self._left[integration] -= 1
        if self._left[integration] < 0:
            raise click.ClickException(f"{integration} has as many dead letters as it may have (RELAY_DEAD_LIMIT)")


def _bring_back(parts: "Relay", letter: "Letter", mark: dict[str, Any], room: _Room, *, dry_run: bool) -> bool:
    import msgspec

    if dry_run:
        return parts.dead_letters.get([letter.id])[0] is None
    if not parts.dead_changes.restore(msgspec.structs.replace(letter, restored=mark), mark["by"]):
        return False
    room.take(letter.integration)
    return True


def _lines(parts: "Relay", file: IO[bytes]) -> "Iterator[tuple[int, Letter | str]]":
    """Each line's number with its letter, or with why it is refused."""
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield number, _read(parts, line)
            except ValueError as error:
                yield number, str(error)


def _read(parts: "Relay", line: bytes) -> "Letter":
    """The letter of a line, on the shard that its person has here.

    Raises:
        ValueError: it is no letter, or of an integration that is not in the file.
    """
    import msgspec

    from worker.dead.letter import cause_of, decode_letter, letter_id, raw_of, split_id
    from worker.purchasely.event import read_event
    from worker.purchasely.person import shard_key, shard_of

    letter = decode_letter(line)
    integration, shard, entry_id = split_id(letter.id)
    known = parts.integrations.integrations.get(integration)
    if known is None or integration != letter.integration:
        raise ValueError(f"no integration {letter.integration!r} in {parts.integrations.path}")
    if not raw_of(letter):
        raise ValueError("it holds no event")
    try:  # by the identity chain here, which need not be the one it was exported under
        person = shard_key(read_event(entry_id, raw_of(letter)).payload, known.source_identity)
    except ValueError:
        person = letter.person
    owner = person or letter.event_id
    if owner:
        shard = shard_of(owner, parts.settings.shards)
    elif shard >= parts.settings.shards:
        shard = 0
    return msgspec.structs.replace(
        letter,
        id=letter_id(integration, shard, entry_id),
        person=person,
        source=known.source,
        shard=shard,
        cause=cause_of(letter.about),
    )
