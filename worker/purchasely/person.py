"""The person of an event: identifiers as text, the shard they decide, the names they are compared by."""

import zlib
from collections.abc import Container, Iterable
from typing import Final

from config.effective import PERSON_FIELDS, Identity
from config.trimmed import trimmed
from worker.purchasely.documented import Documented, Payload

# A device is no person: it may be shared, and it is only ever used where nothing else is known.
_NAMES: Final = tuple(field for field in PERSON_FIELDS if field != "device_id")
# Who had, or gets, what this event's person gets, or had (reference: event attributes, transfers).
_TRANSFER: Final = tuple(
    f"transferred_{way}_{kind}" for way in ("to", "from") for kind in ("user_id", "anonymous_user_id")
)

# From here on doubles are further apart than whole numbers.
_EXACT: Final = 2.0**53


def text_id(value: object) -> str:
    """An identifier as text: without surrounding spaces; a number as its digits; empty for anything else.

    A number that is whole is written as one, since JSON has only one kind of them. One with a fraction or an exponent
    that has more digits than a double keeps could be anybody, so it is nobody.

    >>> text_id(" user_42 "), text_id(98), text_id(98.0), text_id(1e20), text_id(None)
    ('user_42', '98', '98', '', '')
    """
    if type(value) is str:
        return trimmed(value)
    if type(value) is int:
        return str(value)
    if type(value) is float and abs(value) < _EXACT:
        return str(int(value) if value.is_integer() else value)
    return ""


def shard_person(payload: Payload, identity: Identity) -> str:
    """The person that decides the shard, or empty when the event names nobody.

    Purchasely orders events by user (reference: webhook contract, ordering), Customer.io knows people by the identity
    chain. The chain decides: whoever is one person there has one state and one order here. E-mail addresses are
    compared without case, so they are one person on one shard too.
    """
    get, placeholders = payload.get, identity.placeholders
    for field in identity.shard_fields:
        if (given := get(field)) is not None and (person := text_id(given)) and person not in placeholders:
            return person.lower() if "@" in person else person
    return ""


def ordering_person(payload: Payload) -> str:
    """The person that Purchasely orders events by, whatever an identity chain says; empty when there is none."""
    for field in PERSON_FIELDS:
        if person := text_id(payload.get(field)):
            return person
    return ""


def shard_of(person: str, shards: int) -> int:
    """The shard of a person, 0 to `shards` - 1; the same on every machine."""
    return zlib.crc32(person.encode("utf-8", "surrogatepass")) % shards


def event_shard(payload: Payload, identity: Identity, key: str, shards: int) -> int:
    """The shard of an event: that of its person, or, when it names nobody, of what identifies it (`event_key`)."""
    return shard_of(shard_person(payload, identity) or key, shards)


def plain_name(person: str) -> str:
    """An identifier as it is compared: e-mail addresses without regard to case, as Customer.io treats them."""
    return person.lower() if "@" in person else person


def person_fields(more_fields: Iterable[str] = ()) -> tuple[str, ...]:
    """Every field by which an event names its person; `more_fields` are those of an identity chain."""
    return tuple(dict.fromkeys((*_NAMES, *more_fields)))


def person_names(payload: Payload, more_fields: Iterable[str] = ()) -> set[str]:
    """Every identifier by which an event names its person; `more_fields` are those of an identity chain."""
    return {plain_name(name) for field in person_fields(more_fields) if (name := text_id(payload.get(field)))}


def names_among(people: Container[str], payload: Payload, fields: Iterable[str]) -> list[str]:
    """Which of these people an event names in these fields: mostly none, so it is asked field by field."""
    documented = isinstance(payload, Documented)  # then its own `get` would be one call more
    found = []
    for field in fields:
        given = getattr(payload, field, None) if documented else payload.get(field)
        if given is not None and (name := plain_name(text_id(given))) in people:
            found.append(name)
    return found


def other_names(payload: Payload) -> set[str]:
    """Every identifier by which an event names somebody else: the other side of a transfer."""
    return {plain_name(name) for field in _TRANSFER if (name := text_id(payload.get(field)))}
