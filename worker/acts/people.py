"""Suppress people, and forget them."""

from collections.abc import Callable

import msgspec

from worker.acts.copying import until_copied
from worker.acts.record import Doer, record
from worker.app import Relay
from worker.dead.saving import folder_of, forget_saved
from worker.errors import OperatorError
from worker.purchasely.person import plain_name
from worker.store.actions import discreet
from worker.store.keys import SUPPRESSED
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


class Changed(msgspec.Struct, frozen=True):
    """Whether the list changed, and whether a replica has that, where there is one; if not, a fail-over may undo it."""

    changed: bool
    copied: bool


def suppress(parts: Relay, person: str, doer: Doer) -> Changed:
    """Send nothing about a person from the next batch on."""
    done = _change(parts, parts.suppressed.add, person)
    result = "suppressed" if done.changed else "was suppressed already"
    record(parts.redis, doer, "suppress add", discreet(person), result)
    return done


def unsuppress(parts: Relay, person: str, doer: Doer) -> Changed:
    """Send events about a person again. What was filtered stays filtered."""
    done = _change(parts, parts.suppressed.remove, person)
    result = "no longer suppressed" if done.changed else "was not suppressed"
    record(parts.redis, doer, "suppress remove", discreet(person), result)
    return done


def _change(parts: Relay, change: Callable[[str], bool], person: str) -> Changed:
    changed = False

    def act() -> None:
        nonlocal changed
        changed = change(person) or changed

    copied = until_copied(parts.redis, SUPPRESSED, act)
    return Changed(changed, copied)


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
