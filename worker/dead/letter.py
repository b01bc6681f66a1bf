"""A dead letter: what is kept of an event that could not be delivered."""

import base64
import hashlib
from typing import Any, Final

import msgspec

from worker.mapping.operation import ulid
from worker.purchasely.event import Event, read_event

# The bounds of one record: a dead letter must never be what fills the server.
ATTEMPTS_KEPT = 20
EDITS_KEPT = 20
EVENT_NAME_KEPT = 100


class Edit(msgspec.Struct, frozen=True):
    """One change of a dead letter's event: when (Unix ms), by which user, which fields."""

    at_ms: int
    by: str
    paths: list[str]


class Letter(msgspec.Struct, frozen=True, gc=False):
    """One dead letter.

    `reason`, `field`, `status` and `event` are its cause, `cause` the id of that; `stage` is where it ended (read, map,
    send), `message` what Customer.io or the relay said. Times in Unix milliseconds: `failed_ms` is when it failed last,
    `first_failed_ms` when it failed first, `replays` how often it was tried again in between. `attempts` are the
    requests it was part of, `operations` what was made of it for the last one, `revision` that of the integration then.

    `raw` is the event as it would be replayed, `original` as it was received if that is another thing; bytes that are
    not UTF-8 are in the field with `_base64`. `ulid` is the identity that an edited event keeps. `restored` says when
    (ms) and by which user it was imported. `job` is the replay in which it failed last, or the edit of many that has
    changed it since. `settled`: of an event that was not refused itself, only what it says of its person, the ledger's
    field that counts the event ("delivered", "filtered:event_off"); empty: the event is dead.
    """

    id: str
    integration: str
    source: str
    shard: int
    cause: str
    reason: str
    field: str
    status: int
    event: str
    stage: str
    message: str
    person: str
    event_id: str
    event_time_ms: int | None
    received_ms: int
    failed_ms: int
    revision: str
    first_failed_ms: int = 0
    replays: int = 0
    attempts: list[dict[str, Any]] = []
    operations: list[str] = []
    raw: str = ""
    raw_base64: str = ""
    original: str = ""
    original_base64: str = ""
    edits: list[Edit] = []
    ulid: str = ""
    restored: dict[str, Any] | None = None
    settled: str = ""
    job: str = ""

    @property
    def entry_id(self) -> str:
        """The event's place in its stream."""
        return self.id.rpartition(".")[2]

    @property
    def about(self) -> dict[str, Any]:
        """What its cause is."""
        return {"reason": self.reason, "field": self.field, "status": self.status, "event": self.event}


_DECODER = msgspec.json.Decoder(Letter)
_ENCODER = msgspec.json.Encoder()


def letter_id(integration: str, shard: int, entry_id: str) -> str:
    """The id of a dead letter, the same however often the event fails: integration, shard and entry."""
    return f"{integration}.{shard}.{entry_id}"


# Added to the number of an entry that moves to another shard: an event there may have been received in the same
# millisecond, and what becomes of this one must not be noted for that one. No millisecond has so many events.
_MOVED: Final = 1_000_000


def moved_entry(entry_id: str, further: int = 0) -> str:
    """The entry that stands for this one on another shard; `further` ones where that is taken.

    >>> moved_entry("1700000000000-3"), moved_entry("1700000000000-1000003")
    ('1700000000000-1000003', '1700000000000-1000003')
    """
    ms, _, seq = entry_id.partition("-")
    return f"{ms}-{_MOVED + int(seq or 0) % _MOVED + further}"


def split_id(dead_id: str) -> tuple[str, int, str]:
    """Integration, shard and entry of an id.

    Raises:
        ValueError: it is no id of a dead letter.
    """
    integration, shard, entry_id = [*dead_id.rsplit(".", 2), "", ""][:3]
    ms, _, seq = entry_id.partition("-")
    if not (integration and all(part.isascii() and part.isdigit() for part in (shard, ms, seq or "0"))):
        raise ValueError(f"{dead_id!r} is no id of a dead letter; one is like production.3.1700000000000-0")
    return integration, int(shard), entry_id


def cause_of(about: dict[str, Any]) -> str:
    """The id of a cause: short, and the same wherever it is met."""
    return hashlib.blake2b(msgspec.json.encode(about), digest_size=6).hexdigest()


def encode_letter(letter: Letter) -> bytes:
    """The record of a letter, JSON."""
    return _ENCODER.encode(letter)


def decode_letter(record: bytes) -> Letter:
    """The letter of a record.

    Raises:
        ValueError: it is no record of a dead letter; the message says where.
    """
    try:
        return _DECODER.decode(record if b'"failed_ms":' in record else _renamed(record))
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None


def _renamed(record: bytes) -> bytes:
    """A record, or an export, of a release that called `failed_ms` `died_ms`; quotes within texts are escaped."""
    return record.replace(b'"died_ms":', b'"failed_ms":').replace(b'"first_died_ms":', b'"first_failed_ms":')


def as_text(field: str, raw: bytes) -> dict[str, Any]:
    """Bytes as a field of a letter: text where they are UTF-8."""
    try:
        return {field: raw.decode()}
    except UnicodeDecodeError:
        return {f"{field}_base64": base64.b64encode(raw).decode()}


def raw_of(letter: Letter) -> bytes:
    """The event's bytes as they would be replayed."""
    return base64.b64decode(letter.raw_base64) if letter.raw_base64 else letter.raw.encode()


def received_of(letter: Letter) -> bytes:
    """The event's bytes as they were received."""
    if letter.original_base64:
        return base64.b64decode(letter.original_base64)
    return letter.original.encode() if letter.original else raw_of(letter)


def event_of(letter: Letter) -> Event:
    """The event as it would be replayed: what an edit changed, with the identity it had.

    Raises:
        ValueError: the bytes are not a JSON object.
    """
    event = read_event(letter.entry_id, raw_of(letter))
    if not letter.edits:
        return event
    return msgspec.structs.replace(event, key=letter.event_id, ulid=letter.ulid)


def identity_of(event: Event) -> str:
    """The ULID an event would be sent with; empty when its time allows none (it can never have been sent)."""
    if event.time_fault is not None:
        return ""
    return ulid(event.time_ms or 0, event.key)
