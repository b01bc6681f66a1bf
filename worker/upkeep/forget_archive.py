"""Archived events to be forgotten: files that name a person are written again without those lines."""

import time
import uuid
from collections.abc import Callable, Collection

from worker.app import Relay
from worker.errors import OperatorError
from worker.purchasely.payload import read_object
from worker.purchasely.person import other_names, person_names
from worker.store.archive import Archive, Line
from worker.store.archive_state import ArchiveRecord
from worker.upkeep.archive import LEASE_MS

_PATIENCE_S = LEASE_MS / 1000 + 10


def forget_archived(
    parts: Relay, archive: Archive, name: str, fields: Collection[str], sleep: Callable[[float], None]
) -> int:
    """Remove the archived events that name a person; how many.

    Nobody archives meanwhile: a file in the making might still have an event that has just left its stream.

    Raises:
        ArchiveError: a file could not be read or written; running it again goes on.
        OperatorError: another process archives without an end.
    """
    record, token = ArchiveRecord(parts.redis), uuid.uuid4().hex
    ends_s = time.monotonic() + _PATIENCE_S
    while not record.claim(token, LEASE_MS):
        if time.monotonic() > ends_s:
            raise OperatorError("the archive is being written by another process; try again in some minutes")
        sleep(0.5)
    removed = 0
    try:
        for file in archive.all():
            lines = list(archive.read(file))
            left = [line for line in lines if not _names(line, name, fields)]
            if not record.claim(token, LEASE_MS):
                raise OperatorError("another process writes to the archive; run this again")
            if len(left) < len(lines):
                archive.replace(file.path, left)
                removed += len(lines) - len(left)
    finally:
        record.release(token)
    return removed


def _names(line: Line, name: str, fields: Collection[str]) -> bool:
    """Whether an event names the person, as its own or in a transfer."""
    try:
        payload = read_object(line.body)
    except ValueError:
        return False
    return name in person_names(payload, fields) or name in other_names(payload)
