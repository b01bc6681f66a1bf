"""Customer.io operations and their limits; the ULID."""

import hashlib
from functools import lru_cache
from struct import Struct
from typing import Any, Literal

import msgspec
import orjson

# Limits of the Track API (docs.customer.io, Track API limits). Where a "kb" may mean 1000 or 1024 bytes the
# smaller reading is taken, wrapper included.
EVENT_NAME_LIMIT_BYTES = 100
PERSON_ID_LIMIT_BYTES = 150
ATTRIBUTE_NAME_LIMIT_BYTES = 150
ATTRIBUTE_VALUE_LIMIT_BYTES = 1000
ATTRIBUTES_LIMIT = 300
ITEM_LIMIT_BYTES = 32_000
REQUEST_LIMIT_BYTES = 500_000

IdentifierKind = Literal["id", "email", "anonymous_id"]

EVENT_END = b"}"

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(high + low for high in _CROCKFORD for low in _CROCKFORD)
_encode = msgspec.json.Encoder().encode
# 80 bits as twice 32 and 8: small integers, out of which ten bits at a time are cut
_unpack = Struct(">IBIB").unpack_from
_TIME_MAX = (1 << 48) - 1
_BLANK = hashlib.sha256()


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One item of a Track v2 batch.

    `head` is its JSON; of an event, whose `attributes` are mostly the bytes received, what comes before them: half of
    all that a worker has in memory would be their copies. `cause` is the position, in the batch of events, of the event
    that answers for it.
    """

    kind: Literal["identify", "event", "merge"]
    head: bytes
    cause: int
    attributes: bytes = b""

    @property
    def body(self) -> bytes:
        """Its JSON in one piece."""
        return self.head + self.attributes + EVENT_END if self.attributes else self.head


def ulid(time_ms: int, key: str) -> str:
    """The ULID of an event: 48 bits of its time, 80 bits of SHA-256 of its key.

    The same event always gives the same ULID, so Customer.io ignores a resend ("If an event repeats a value we've
    already received, we ignore the duplicate"). Times outside 48 bits are clamped.

    >>> ulid(1702390766120, "a2430cab-b56f-45d6-9268-8f9f35e20b59")[:10]
    '01HHF6B6H8'
    """
    if not 0 <= time_ms <= _TIME_MAX:
        time_ms = 0 if time_ms < 0 else _TIME_MAX
    plain = key.encode() if key.isascii() else key.encode("utf-8", "surrogatepass")
    digest = _BLANK.copy()  # two thirds of the time that making one takes
    digest.update(plain)
    a, a_low, b, b_low = _unpack(digest.digest())
    pairs = _PAIRS
    return (
        f"{_time_letters(time_ms)}"
        f"{pairs[a >> 22]}{pairs[a >> 12 & 1023]}{pairs[a >> 2 & 1023]}{pairs[(a & 3) << 8 | a_low]}"
        f"{pairs[b >> 22]}{pairs[b >> 12 & 1023]}{pairs[b >> 2 & 1023]}{pairs[(b & 3) << 8 | b_low]}"
    )


@lru_cache(maxsize=256)
def _time_letters(time_ms: int) -> str:
    """The ten letters of a ULID's time, which siblings share."""
    pairs = _PAIRS
    return (
        f"{pairs[time_ms >> 40]}{pairs[time_ms >> 30 & 1023]}{pairs[time_ms >> 20 & 1023]}"
        f"{pairs[time_ms >> 10 & 1023]}{pairs[time_ms & 1023]}"
    )


def identifiers(kind: IdentifierKind, value: str) -> bytes:
    """The `identifiers` object of a person: exactly one (the API refuses several)."""
    # not orjson: each of its results keeps a buffer of 8 KiB, and one of these is kept for every waiting event
    return _encode({kind: value})


def event_head(who: bytes, name: bytes, event_id: str, time_s: int) -> bytes:
    """An `event` item up to its attributes; `who` and `name` are JSON already."""
    return b'{"type":"person","identifiers":%b,"action":"event","name":%b,"id":"%b","timestamp":%d,"attributes":' % (
        who,
        name,
        event_id.encode(),
        time_s,
    )


def identify_body(who: bytes, time_s: int, attributes: dict[str, Any]) -> bytes:
    """An `identify` item. `timestamp` lets Customer.io drop it when the person has newer values."""
    return b'{"type":"person","identifiers":%b,"action":"identify","timestamp":%d,"attributes":%b}' % (
        who,
        time_s,
        orjson.dumps(attributes),
    )


def merge_body(primary: bytes, secondary: bytes) -> bytes:
    """A `merge` item: the secondary person is folded into the primary and deleted."""
    return b'{"type":"person","action":"merge","primary":%b,"secondary":%b}' % (primary, secondary)
