"""Limits of Customer.io's Track API; settings where the documentation says nothing.

Nothing here comes from the relay: a second reading of the documents cannot share the first one's
mistakes. Where no source says what happens, `Rules` has a knob and its default is the likelier.
"""

import re
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

NAME_MAX_BYTES = 150
VALUE_MAX_BYTES = 1000
ID_MAX_BYTES = 150
ATTRIBUTES_MAX = 300
EVENT_NAME_MAX_BYTES = 100
EVENT_DATA_MAX_BYTES = 100_000
ENTITY_MAX_KB = 32
BATCH_MAX_KB = 500

# An integer outside is milliseconds or garbage: the range of Customer.io's own Ruby client.
TIME_MIN_S = 999_999_999
TIME_MAX_S = 100_000_000_000

# A character takes at most four bytes of UTF-8, so a shorter text needs no encoding to be measured.
SAFE_CHARS = NAME_MAX_BYTES // 4

# Crockford's base32 has no I, L, O, U; 26 characters hold 130 bits, so the first one is 7 at most.
is_ulid = re.compile("[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}").fullmatch


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How to act where Customer.io's behaviour is not documented."""

    kb: Literal[1000, 1024] = 1000
    """Bytes in a kilobyte of the size limits."""
    non_ulid: Literal["accept", "reject"] = "accept"
    """An event id that is no ULID; accepted, it does not deduplicate."""
    ulid_scope: Literal["workspace", "person"] = "workspace"
    """Where a repeated ULID is a duplicate."""
    oversize_status: Literal[400, 413] = 400
    """The status for a body over 32 kb (entity) or 500 kb (batch)."""
    oversize_item: Literal["item", "whole"] = "item"
    """An item over 32 kb in a batch: an error of that item, or of the whole batch."""
    non_object_item: Literal["item", "whole"] = "item"
    """An element of a batch that is no object: an error of that item, or of the whole batch."""
    all_invalid: Literal[207, 400] = 207
    """The status when every item of a batch is invalid."""
    anonymous_identify: Literal["accept", "invalid"] = "accept"
    """An identify by `anonymous_id`."""
    invite: Literal["accept", "reject"] = "accept"
    """A v1 anonymous event with neither `anonymous_id` nor `data.recipient`."""
    numeric_id: Literal["reject", "accept"] = "reject"
    """A v1 identify whose body has a number as `id`: the list of invalid requests refuses it, clients send it."""
    email_update: Literal["by-cio-id", "by-any"] = "by-cio-id"
    """Who may change an e-mail that is set (the setting "Allow updates to email using ID")."""

    @property
    def entity_max_bytes(self) -> int:
        """The largest entity, alone or in a batch."""
        return ENTITY_MAX_KB * self.kb

    @property
    def batch_max_bytes(self) -> int:
        """The largest batch, its wrapper included."""
        return BATCH_MAX_KB * self.kb


class Problem(NamedTuple):
    """One entry of an `errors` list. Known reasons: `required`, `invalid`, `parse_error`."""

    reason: str
    field: str
    message: str


def is_long(text: str, max_bytes: int) -> bool:
    """Whether a text takes more bytes of UTF-8 than allowed."""
    return len(text) * 4 > max_bytes and len(text.encode()) > max_bytes


def is_long_name(name: str) -> bool:
    """Whether an attribute's name is over 150 bytes."""
    return is_long(name, NAME_MAX_BYTES)


def is_long_value(value: Any) -> bool:
    """Whether an attribute's value is over 1000 bytes; objects and arrays count as their JSON."""
    if isinstance(value, str):
        return is_long(value, VALUE_MAX_BYTES)
    if isinstance(value, dict | list):
        return json_bytes(value) > VALUE_MAX_BYTES
    return False


def json_bytes(value: Any) -> int:
    """The length of a value as compact JSON; nested too deeply to be written, it is too long."""
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return EVENT_DATA_MAX_BYTES + 1


def canonical(kind: str, value: Any) -> str:
    """An identifier as it is compared: numbers as text, e-mails in lower case.

    >>> canonical("id", 42.0), canonical("email", "Ada@Example.com")
    ('42', 'ada@example.com')
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = value if isinstance(value, str) else str(value)
    return text.lower() if kind == "email" else text


def address(identifiers: dict[str, Any]) -> tuple[str, str]:
    """The kind and the value of the one identifier."""
    for kind, value in identifiers.items():
        return kind, canonical(kind, value)
    raise ValueError("no identifier")
