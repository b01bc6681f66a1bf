"""Trail of settled events: one byte an event for what became of it, and the request that decided it.

A settle appends one `Run` to `relay:{S}:trail:<integration>`, in the settle script itself: the batch's first and last
entry, the revision, the request's status, attempts and milliseconds, and a code an event. Some 30 bytes and one an
event; a batch of 280 is 310 bytes. What later happens to single events (a dead letter replayed or discarded, a waiting
event forgotten, one of the past sent again) is a `Change` in `relay:{S}:changes:<integration>`, written by the script
that changes it; the last one counts.

The codes of a run belong to the entries that were in the stream when it was settled. Entries that were deleted are in
`relay:{S}:forgotten:<source>` with the time of it, which says whether the run has a code of them. Trimmed ones are the
oldest, so a code is counted from the run's end.

Both are msgpack arrays that open with a number, which is their version: a reader that meets an unknown number
reports it and guesses nothing. Codes are never reused.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from worker.store.entry_id import order
from worker.store.keys import shard_key

DELIVERED: Final = 1
PROPERTIES_REJECTED: Final = 2  # delivered, and what the event says of its person was refused
DISCARDED: Final = 3
FILTERED_OTHER: Final = 63
DEAD_OTHER: Final = 127

# What became of an event, as "kind:reason"; the ledger counts under the same names.
CODES: Final[Mapping[str, int]] = {
    "delivered": DELIVERED,
    "delivered:properties_rejected": PROPERTIES_REJECTED,
    "filtered:discarded": DISCARDED,
    "filtered:disabled": 16,
    "filtered:environment": 17,
    "filtered:environment_unclaimed": 18,
    "filtered:event_off": 19,
    "filtered:anonymous": 20,
    "filtered:late": 21,
    "filtered:suppressed": 22,
    "filtered:forgotten": 23,
    "filtered:no_person": 24,
    "filtered:shadow": 25,
    "filtered:other": FILTERED_OTHER,
    "dead:not_json": 64,
    "dead:no_event_name": 65,
    "dead:no_person": 66,
    "dead:invalid_time": 67,
    "dead:too_large": 68,
    "dead:rejected": 69,
    "dead:crashed_worker": 70,
    "dead:crashed_mapping": 71,
    "dead:properties_rejected": 72,
    "dead:webhook_version": 73,
    "dead:other": DEAD_OTHER,
}
OUTCOMES: Final[Mapping[int, str]] = {code: outcome for outcome, code in CODES.items()}


Place = tuple[int, int]
"""An entry id: milliseconds and number."""


class Run(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A settled batch: its events are the stream's entries from the first to the last, in order.

    Entry ids are (milliseconds, number); `status` 0: nothing was sent or nobody answered; `took_ms` of the last
    attempt; `revision` of the configuration, 0: the process ran a file that is no revision.
    """

    first: Place
    last: Place
    revision: int
    status: int
    attempts: int
    took_ms: int
    outcomes: bytes


class Change(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """What a replay, a person or a forgetting made of a single event later, and when (Unix ms).

    `by`: the replay job, or who did it; of a dead letter that was moved its id on the other shard.
    """

    at_ms: int
    revision: int = 0
    status: int = 0
    attempts: int = 0
    took_ms: int = 0
    by: str = ""


class Changed(msgspec.Struct, frozen=True):
    """A change as it was stored: the entry, "kind:reason", and the rest."""

    place: Place
    outcome: str
    change: Change


_encode = msgspec.msgpack.Encoder().encode
_decode_run = msgspec.msgpack.Decoder(Run).decode
_decode_change = msgspec.msgpack.Decoder(Change).decode


def trail_key(shard: int, integration: str) -> str:
    """The key of a lane's runs."""
    return shard_key(shard, "trail", integration)


def changes_key(shard: int, integration: str) -> str:
    """The key of what became of single events of a lane later."""
    return shard_key(shard, "changes", integration)


def forgotten_key(shard: int, source: str) -> str:
    """The key of the entries that were deleted from a stream: id and when (Unix ms), by the id's time."""
    return shard_key(shard, "forgotten", source)


def code_of(kind: str, reason: str = "") -> int:
    """The code of an outcome: kind is delivered, filtered or dead.

    >>> code_of("filtered", "event_off"), code_of("dead", "a reason of a later release")
    (19, 127)
    """
    code = CODES.get(f"{kind}:{reason}" if reason else kind)
    if code is not None:
        return code
    return FILTERED_OTHER if kind == "filtered" else DEAD_OTHER


def outcome_of(code: int) -> tuple[str, str]:
    """Kind and reason of a code; ("unknown", …) of one that a later release wrote.

    >>> outcome_of(19), outcome_of(1), outcome_of(200)
    (('filtered', 'event_off'), ('delivered', ''), ('unknown', 'code 200'))
    """
    outcome = OUTCOMES.get(code)
    if outcome is None:
        return "unknown", f"code {code}"
    return split_outcome(outcome)


def encode_record(record: Run | Change) -> bytes:
    """The record as it is stored; of a change, what is beside its entries."""
    return _encode(record)


def decode_run(blob: bytes) -> Run | None:
    """A stored run; None: of a later release, or foreign bytes."""
    try:
        return _decode_run(blob)
    except (msgspec.DecodeError, ValueError):
        return None


def decode_change(member: bytes) -> Changed | None:
    """A stored change ("1764115200000-0 filtered:discarded …"); None: of a later release, or foreign bytes."""
    try:
        entry_id, outcome, head = member.split(b" ", 2)
        return Changed(order(entry_id), outcome.decode(), _decode_change(head))
    except (msgspec.DecodeError, ValueError):
        return None


def split_outcome(outcome: str) -> tuple[str, str]:
    """Kind and reason of "kind:reason".

    >>> split_outcome("filtered:event_off"), split_outcome("delivered")
    (('filtered', 'event_off'), ('delivered', ''))
    """
    kind, _, reason = outcome.partition(":")
    return kind, reason


def counts(runs: Iterable[Run]) -> dict[str, int]:
    """How many events of these runs had each outcome, under the names of the ledger."""
    totals: dict[str, int] = {}
    for run in runs:
        for code in run.outcomes:
            outcome = OUTCOMES.get(code, f"unknown:{code}")
            totals[outcome] = totals.get(outcome, 0) + 1
    return totals
