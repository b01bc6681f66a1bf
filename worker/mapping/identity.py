"""Whom in Customer.io an event is about, by the integration's identity chain and its policy for anonymous people."""

import hashlib
from functools import lru_cache

import msgspec

from config.integrations import Integration
from worker.mapping.operation import PERSON_ID_LIMIT_BYTES, IdentifierKind, identifiers
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.documented import Payload
from worker.purchasely.event import text_id


class Who(msgspec.Struct, frozen=True, gc=False):
    """A person as Customer.io is told: one identifier of one kind, its JSON, and the name their state is kept under."""

    kind: IdentifierKind
    value: str
    json: bytes
    digest: str


def identify(payload: Payload, integration: Integration) -> Who | Filtered | Dead:
    """The person of an event: the first id field that is present, else the first e-mail field, else anonymous.

    Purchasely sends `anonymous_user_id` while nobody is logged in; when both ids are there the user id counts
    (reference: event attributes, `anonymous_user_id`).
    """
    get = payload.get
    for field in integration.id_fields:
        if (given := get(field)) is not None and (value := text_id(given)):
            email = field == "user_id" and integration.email_like_user_id == "email" and "@" in value
            return _who("email" if email else "id", value, field)
    for field in integration.email_fields:
        if value := text_id(get(field)):
            return _who("email", value, field)
    anonymous = text_id(get("anonymous_user_id"))
    if not anonymous:
        return Dead(
            "no_person",
            "map",
            field=integration.id_fields[0] if integration.id_fields else "user_id",
        )
    if integration.anonymous == "skip":
        return Filtered("anonymous")
    return _who("anonymous_id" if integration.anonymous == "event" else "id", anonymous, "anonymous_user_id")


def digest(who: bytes) -> str:
    """The name under which a person's state is stored: not the identifier itself."""
    return hashlib.blake2b(who, digest_size=12).hexdigest()


# Purchasely tells one fact in several events, one after the other: they are about one person.
@lru_cache(maxsize=1024)
def _who(kind: IdentifierKind, value: str, field: str) -> Who | Dead:
    # No character takes more than four bytes, so most values need no encoding to be measured.
    if len(value) * 4 > PERSON_ID_LIMIT_BYTES and (size := len(value.encode())) > PERSON_ID_LIMIT_BYTES:
        return Dead(
            "too_large",
            "map",
            field,
            message=f"{field} is {size} bytes; the limit is {PERSON_ID_LIMIT_BYTES}",
        )
    json = identifiers(kind, value)
    return Who(kind, value, json, digest(json))
