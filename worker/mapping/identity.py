"""The Customer.io person of an event: by the identity chain and the integration's policy for anonymous people."""

import hashlib
from functools import lru_cache

import msgspec

from config.integrations import Integration
from worker.mapping.operation import PERSON_ID_LIMIT_BYTES, IdentifierKind, identifiers
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.documented import Documented, Payload
from worker.purchasely.person import text_id


class Who(msgspec.Struct, frozen=True, gc=False):
    """A person as Customer.io knows them: one identifier of one kind, its JSON; `digest` names their stored state.

    `field` is where the identifier was found.
    """

    kind: IdentifierKind
    value: str
    json: bytes
    digest: str
    field: str


def identify(payload: Payload, integration: Integration) -> Who | Filtered | Dead:
    """The person of an event: the first id field that is present, else the first e-mail field, else anonymous.

    Purchasely sends `anonymous_user_id` while nobody is logged in; when both ids are there the user id counts
    (reference: event attributes, `anonymous_user_id`). A placeholder ("undefined") is as good as absent.
    """
    chain = integration.identity
    get, placeholders, filled = payload.get, chain.placeholders, False
    documented = isinstance(payload, Documented)  # then its own `get` would be one call more
    for field in chain.id_fields:
        given = getattr(payload, field, None) if documented else get(field)
        if given is not None and (value := text_id(given)):
            if value not in placeholders:
                email = field == "user_id" and chain.email_like_user_id == "email" and "@" in value
                return _who("email" if email else "id", value, field)
            filled = True
    for field in chain.email_fields:
        if value := text_id(get(field)):
            if value not in placeholders:
                return _who("email", value, field)
            filled = True
    return _anonymous(payload, integration, filled=filled)


def _anonymous(payload: Payload, integration: Integration, *, filled: bool) -> Who | Filtered | Dead:
    """The person of an event that names nobody who is logged in; `filled`: it has placeholders where an id belongs."""
    anonymous, chain = text_id(payload.get("anonymous_user_id")), integration.identity
    if anonymous in chain.placeholders:
        anonymous, filled = "", True
    if not anonymous:
        if filled:
            return Filtered("no_person")
        return Dead("no_person", "map", field=chain.id_fields[0] if chain.id_fields else "user_id")
    if integration.anonymous == "skip":
        return Filtered("anonymous")
    return _who("anonymous_id" if integration.anonymous == "event" else "id", anonymous, "anonymous_user_id")


def state_name(kind: IdentifierKind, value: str) -> str:
    """The name under which a person's state is stored: not the identifier itself; e-mail addresses without case."""
    return _digest(identifiers(kind, value.lower() if kind == "email" else value))


def _digest(json: bytes) -> str:
    return hashlib.blake2b(json, digest_size=12).hexdigest()


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
    return Who(kind, value, json, state_name(kind, value) if kind == "email" else _digest(json), field)
