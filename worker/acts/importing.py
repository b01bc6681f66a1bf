"""Import dead letters: those of a file that a discard or an export wrote come back, and who did it is kept."""

import time
from collections.abc import Callable, Iterable

import msgspec

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.dead.letter import Letter, cause_of, decode_letter, letter_id, moved_entry, raw_of, received_of, split_id
from worker.errors import OperatorError
from worker.process.wording import several
from worker.purchasely.event import read_event
from worker.purchasely.person import shard_of, shard_person


class Imported(msgspec.Struct):
    """How many letters came back, how many were there already, and how many lines were refused."""

    restored: int = 0
    there: int = 0
    refused: int = 0


def restore(
    parts: Relay,
    lines: Iterable[bytes],
    meant: str,
    doer: Doer,
    refuse: Callable[[int, str], object] = lambda _number, _why: None,
    *,
    dry_run: bool = False,
) -> Imported:
    """Bring back the letter of each line that is not there; `meant` names the file, for the record.

    `refuse` is called with the number of a line that holds no letter, and why. With `dry_run` they are only counted.

    Raises:
        OperatorError: an integration has no room for more; what came back so far stays.
    """
    done, room = Imported(), _Room(parts)
    mark = {"at_ms": time.time_ns() // 1_000_000, "by": doer.by}
    try:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                was, letter = read_line(parts, line)
            except ValueError as error:
                done.refused += 1
                refuse(number, str(error))
                continue
            if _bring_back(parts, was, letter, mark, room, dry_run=dry_run):
                done.restored += 1
            else:
                done.there += 1
    finally:
        if done.restored and not dry_run:
            record(parts.redis, doer, "dead import", meant, f"{several(done.restored, 'letter')} restored")
    return done


class _Room:
    """How many letters each integration may still take."""

    def __init__(self, parts: Relay) -> None:
        limit = parts.settings.dead_limit
        totals = parts.dead_letters.totals(parts.integrations.integrations)
        self._left = {name: limit - total for name, total in totals.items()}

    def is_full(self, integration: str) -> bool:
        """Whether there is no place left."""
        return self._left[integration] <= 0

    def take(self, integration: str) -> None:
        """Use one place."""
        self._left[integration] -= 1


def _bring_back(parts: Relay, was: str, letter: Letter, mark: dict[str, object], room: _Room, *, dry_run: bool) -> bool:
    """Put back a letter that had the id `was`; False when it is there."""
    if letter.id != was:
        letter = _placed(parts, was, letter)
    if dry_run or room.is_full(letter.integration):
        is_there = parts.dead_letters.get([letter.id])[0] is not None
        if not dry_run and not is_there:
            raise OperatorError(f"{letter.integration} has as many dead letters as it may have (RELAY_DEAD_LIMIT)")
        return not is_there
    is_new = parts.dead_changes.restore(msgspec.structs.replace(letter, restored=mark), str(mark["by"]))
    if letter.id != was:  # if it is there, too: an import may have been broken off in between
        parts.dead_changes.displace(was, letter)
    if is_new:
        room.take(letter.integration)
    return is_new


def _placed(parts: Relay, was: str, letter: Letter) -> Letter:
    """The letter at an entry of its shard here that is no other event's: it was received on another one."""
    further = 0
    while True:
        moved = letter_id(letter.integration, letter.shard, moved_entry(split_id(was)[2], further))
        (there,) = parts.dead_letters.get([moved])
        if there is None or received_of(there) == received_of(letter):
            return msgspec.structs.replace(letter, id=moved)
        further += 1


def read_line(parts: Relay, line: bytes) -> tuple[str, Letter]:
    """The letter of a line, on the shard that its person has here, and the id that it had.

    Raises:
        ValueError: it is no letter, or of an integration that is not in the file.
    """
    letter = decode_letter(line)
    integration, shard, entry_id = split_id(letter.id)
    known = parts.integrations.integrations.get(integration)
    if known is None or integration != letter.integration:
        raise ValueError(f"no integration {letter.integration!r} in {parts.integrations.path}")
    if not raw_of(letter):
        raise ValueError("it holds no event")
    try:  # by the identity chain here, which need not be the one it was exported under
        person = shard_person(read_event(entry_id, raw_of(letter)).payload, known.source_identity)
    except ValueError:
        person = letter.person
    owner = person or letter.event_id
    if owner:
        shard = shard_of(owner, parts.settings.shards)
    elif shard >= parts.settings.shards:
        shard = 0
    here = msgspec.structs.replace(
        letter,
        id=letter_id(integration, shard, entry_id),
        person=person,
        source=known.source,
        shard=shard,
        cause=cause_of(letter.about),
    )
    return letter.id, here
