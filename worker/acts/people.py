"""Suppress people, and forget them."""

import msgspec

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.dead.saving import folder_of, forget_saved
from worker.errors import OperatorError
from worker.purchasely.person import plain_name
from worker.store.actions import discreet
from worker.upkeep.forget import Forgotten
from worker.upkeep.forget import forget as forget_person
from worker.upkeep.forget_entries import person_fields


class Removal(msgspec.Struct, frozen=True):
    """What was removed, and whether Redis began to rewrite its append-only file, which holds the bytes until then.

    `saved` are letters in the files that discards have left on this machine.
    """

    removed: Forgotten
    rewriting: bool
    saved: int = 0


def suppress(parts: Relay, person: str, doer: Doer) -> bool:
    """Send nothing about a person from the next batch on; False when they were suppressed already."""
    new = parts.suppressed.add(person)
    record(parts.redis, doer, "suppress add", discreet(person), "suppressed" if new else "was suppressed already")
    return new


def unsuppress(parts: Relay, person: str, doer: Doer) -> bool:
    """Send events about a person again; False when they were not suppressed. What was filtered stays filtered."""
    known = parts.suppressed.remove(person)
    result = "no longer suppressed" if known else "was not suppressed"
    record(parts.redis, doer, "suppress remove", discreet(person), result)
    return known


def forget(parts: Relay, person: str, doer: Doer) -> Removal:
    """Remove a person from streams, dead letters, states and the archive; nothing is sent to Customer.io.

    Raises:
        OperatorError: a lane stayed busy, or a file of discarded letters cannot be written again.
    """
    removed = forget_person(parts, person)
    saved = _forget_saved(parts, person)
    result = f"{removed.entries} events, {removed.dead_letters} dead letters, {removed.states} states removed"
    record(parts.redis, doer, "forget", "a person", result)
    try:
        parts.redis.bgrewriteaof()
    except Exception:  # noqa: BLE001 - a managed server may forbid it; the answer says so
        return Removal(removed, rewriting=False, saved=saved)
    return Removal(removed, rewriting=True, saved=saved)


def _forget_saved(parts: Relay, person: str) -> int:
    folder = folder_of(parts.settings.data_dir)
    try:
        return forget_saved(folder, plain_name(person), person_fields(parts))
    except OSError as error:
        raise OperatorError(f"cannot clear {folder} ({error.strerror}); everything else is done") from None
