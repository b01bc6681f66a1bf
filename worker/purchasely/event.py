"""What a Purchasely event is: its person, its time, its identity."""

import hashlib
import zlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from worker.purchasely.documented import Documented, Payload, read_documented

# Purchasely holds and orders events per user (reference: webhook contract, ordering), so the user
# decides the shard; an anonymous holder is a user of its own there.
PERSON_FIELDS = (
    "user_id",
    "anonymous_user_id",
    "customerio_user_id",
    "customerio_user_email",
    "device_id",
)

# What stands behind the bytes of an event that was stored under the id of another one: blanks, which mean nothing in
# JSON. The door strips them from what is sent, so only a conflict has them, wherever the bytes go.
CONFLICT_MARK = b" \t \t"

# No id: one event after the other would be taken for the first that said so.
_NIL_UUID = "00000000-0000-0000-0000-000000000000"
_PLACEHOLDERS = frozenset({"", "undefined", "null", "none", "nil", "nan", "n/a", "[object object]", _NIL_UUID})
_LONGEST_PLACEHOLDER = max(len(text) for text in _PLACEHOLDERS if text != _NIL_UUID)


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event as it was stored: `entry_id` is its place in the stream (`ms-seq`), `raw` the bytes received.

    `payload` is what the bytes say, as a struct when they are as Purchasely documents them, else as a dictionary.
    `name` is empty when the payload has no usable `event_name`; `time_ms` is None when it carries no time at all.
    `key` identifies the event: see `event_key`. `ulid` is set for an event that was edited:
    the identity it had as it was received.
    """

    entry_id: str
    raw: bytes
    payload: Documented | dict[str, Any]
    name: str
    key: str
    time_ms: int | None
    ulid: str = ""

    @property
    def received_ms(self) -> int:
        """When the relay stored it, in Unix milliseconds."""
        return int(self.entry_id.partition("-")[0])

    def fields(self) -> dict[str, Any]:
        """The payload as a dictionary."""
        fields: dict[str, Any] = orjson.loads(self.raw)
        return fields


def read_event(entry_id: str, raw: bytes) -> Event:
    """Decode stored bytes.

    Raises:
        ValueError: the bytes are not a JSON object (ingest never stores such; a foreign writer could).
    """
    told = read_documented(raw)
    if told is not None:
        time_ms, key = told.event_created_at_ms, told.event_id
        if key is None or len(key) <= _LONGEST_PLACEHOLDER or key == _NIL_UUID or raw.endswith(CONFLICT_MARK):
            key = event_key(told, raw)
        return Event(
            entry_id,
            raw,
            told,
            told.event_name or "",
            key,
            parse_time_ms(told.event_created_at) if time_ms is None else time_ms,
        )
    payload = orjson.loads(raw)
    if not isinstance(payload, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for "these bytes are no event"
    name = payload.get("event_name")
    return Event(
        entry_id,
        raw,
        payload,
        name if isinstance(name, str) else "",
        event_key(payload, raw),
        event_time_ms(payload),
    )


def event_key(payload: Payload, raw: bytes) -> str:
    """What makes two events one: the sender's `event_id`, else a hash of the body (payloads before 2022 have none).

    An event that was stored under the id of another one (`CONFLICT_MARK`) has what it is about in its key besides.
    """
    event_id = usable_event_id(payload)
    if not event_id:
        return "sha256:" + hashlib.sha256(raw).hexdigest()
    if raw.endswith(CONFLICT_MARK):
        about = hashlib.sha256(event_about(payload).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{event_id}~{about[:16]}"
    return event_id


def usable_event_id(payload: Payload) -> str:
    """The sender's `event_id`, or empty when it has none: nothing, blanks, or what a program writes for nothing."""
    event_id = payload.get("event_id")
    if isinstance(event_id, str):
        # a real one is long, mostly a UUID
        if len(event_id) > _LONGEST_PLACEHOLDER and event_id != _NIL_UUID:
            return event_id
        return "" if event_id.strip().lower() in _PLACEHOLDERS else event_id
    if isinstance(event_id, int) and not isinstance(event_id, bool):
        return str(event_id)
    return ""


def event_about(payload: Payload) -> str:
    """What an event says it is about: name, person, environment. Two that differ here are not one, whatever their id.

    The person is the one that Purchasely orders events by, not that of a configuration: a change of the file must not
    make another event of it.
    """
    name, environment = payload.get("event_name"), payload.get("environment")
    named = name if type(name) is str else ""
    real = environment.strip().upper() if type(environment) is str else ""
    return f"{named}\x1f{shard_key(payload)}\x1f{real or 'PRODUCTION'}"


def event_time_ms(payload: Payload) -> int | None:
    """`event_created_at_ms`, else `event_created_at`, in Unix milliseconds; None when neither can be read."""
    time_ms = payload.get("event_created_at_ms")
    if type(time_ms) is int:
        return time_ms
    return parse_time_ms(payload.get("event_created_at"))


def parse_time_ms(value: object) -> int | None:
    """An ISO 8601 instant in Unix milliseconds (no offset means UTC), or None.

    >>> parse_time_ms("2023-12-12T14:19:26.120Z")
    1702390766120
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # timedelta arithmetic, not timestamp(): floats lose the millisecond
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_id(value: object) -> str:
    """An identifier as text: a non-blank string or a number as it is written, else empty (null, objects, booleans)."""
    if type(value) is str:
        return value if value and not value.isspace() else ""
    if type(value) is int or type(value) is float:
        return str(value)
    return ""


def shard_key(payload: Payload) -> str:
    """The person that decides the shard, or empty when the event names nobody."""
    for field in PERSON_FIELDS:
        person = text_id(payload.get(field))
        if person:
            return person
    return ""


def shard_of(person: str, shards: int) -> int:
    """The shard of a person, 0 to `shards` - 1; the same on every machine."""
    return zlib.crc32(person.encode("utf-8", "surrogatepass")) % shards


def plain_name(person: str) -> str:
    """An identifier as it is compared: e-mail addresses without regard to case, as Customer.io treats them."""
    return person.lower() if "@" in person else person


def person_names(payload: Payload) -> set[str]:
    """Every identifier by which an event names its person (a device is no person)."""
    fields = [field for field in PERSON_FIELDS if field != "device_id"]
    return {plain_name(name) for field in fields if (name := text_id(payload.get(field)))}
