"""Event: the name, time and identity that a Purchasely payload gives."""

import hashlib
from typing import Any

import msgspec
import orjson

from config.trimmed import trimmed
from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS, Documented, Payload
from worker.purchasely.learnt import Learner
from worker.purchasely.moment import TimeFault, event_time
from worker.purchasely.payload import read_repaired
from worker.purchasely.person import ordering_person

# What follows the bytes of an event that was stored under the id of another one: blanks, which mean nothing in
# JSON. The door strips them from what is sent, so only a conflict has them, wherever the bytes go.
CONFLICT_MARK = b" \t \t"

# No id: one event after the other would be taken for the first that said so.
_NIL_UUID = "00000000-0000-0000-0000-000000000000"
_PLACEHOLDERS = frozenset({"", "undefined", "null", "none", "nil", "nan", "n/a", "[object object]", _NIL_UUID})
_LONGEST_PLACEHOLDER = max(len(text) for text in _PLACEHOLDERS if text != _NIL_UUID)

LEARNER = Learner()
"""Of this process: what it has learnt changes how fast a payload is read, never what it means."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event as it was stored: `entry_id` is its place in the stream (`ms-seq`), `raw` its bytes.

    `payload` is what the bytes say, as a struct when they could be read in one pass, else as a dictionary.
    `name` is empty when the payload has no usable `event_name`; `time_ms` is None when it carries no time at all, or
    one that cannot be read (then `time_fault` says why). `key` identifies the event: see `event_key`. `ulid` is set for
    an event that was edited: the identity it had as it was received. `repaired`: half a surrogate pair, or a
    number that no machine holds, was replaced in `raw`.
    """

    entry_id: str
    raw: bytes
    payload: Documented | dict[str, Any]
    name: str
    key: str
    time_ms: int | None
    ulid: str = ""
    time_fault: TimeFault | None = None
    repaired: bool = False

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
    told = LEARNER.read(raw)
    if told is None:
        return _read_dictionary(entry_id, raw)
    time_ms, fault = told.event_created_at_ms, None
    if time_ms is None or not TIME_MIN_MS < time_ms < TIME_MAX_MS:
        time_ms, fault = event_time(told)
    name, key = told.event_name, told.event_id
    if key is None or _may_be_none(key) or raw.endswith(CONFLICT_MARK):
        key = event_key(told, raw)
    return Event(entry_id, raw, told, trimmed(name) if name else "", key, time_ms, "", fault)


def _read_dictionary(entry_id: str, received: bytes) -> Event:
    payload, raw = read_repaired(received)
    LEARNER.learn(payload)
    name = payload.get("event_name")
    time_ms, fault = event_time(payload)
    return Event(
        entry_id,
        raw,
        payload,
        trimmed(name) if isinstance(name, str) else "",
        event_key(payload, received),
        time_ms,
        "",
        fault,
        raw is not received,
    )


def event_key(payload: Payload, raw: bytes) -> str:
    """What makes two events one: the sender's `event_id`, else a hash of the body (payloads before 2022 have none).

    An event that was stored under the id of another one (`CONFLICT_MARK`) has what it is about in its key besides.
    """
    event_id = payload.get("event_id")
    if type(event_id) is not str or _may_be_none(event_id):
        event_id = usable_event_id(payload)
    if not event_id:
        return "sha256:" + hashlib.sha256(raw).hexdigest()
    if raw.endswith(CONFLICT_MARK):
        about = hashlib.sha256(event_about(payload).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{event_id}~{about[:16]}"
    return event_id


def _may_be_none(event_id: str) -> bool:
    """Whether an id may be a placeholder, with whatever is not seen around it; true of any that is short."""
    return not event_id.isascii() or len(plain := event_id.strip()) <= _LONGEST_PLACEHOLDER or plain == _NIL_UUID


def usable_event_id(payload: Payload) -> str:
    """The sender's `event_id`, or empty when it has none: nothing, blanks, or what a program writes for nothing."""
    event_id = payload.get("event_id")
    if isinstance(event_id, str):
        return "" if trimmed(event_id).lower() in _PLACEHOLDERS else event_id
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
    if environment != "PRODUCTION":
        environment = environment.strip().upper() or "PRODUCTION" if type(environment) is str else "PRODUCTION"
    return f"{named}\x1f{ordering_person(payload)}\x1f{environment}"
