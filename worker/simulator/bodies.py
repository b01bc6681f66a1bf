"""Bodies of Track API v1: checked, and turned into the v2 entity that means the same.

Every check answers the message of the 400, or an empty text.
"""

from typing import Any

from worker.simulator.entities import PLATFORMS, RELATIONSHIP_ACTIONS, check_relationships, is_event_id
from worker.simulator.limits import (
    ATTRIBUTES_MAX,
    EVENT_DATA_MAX_BYTES,
    EVENT_NAME_MAX_BYTES,
    ID_MAX_BYTES,
    Rules,
    is_long,
    is_long_name,
    is_long_value,
    json_bytes,
)

Entity = dict[str, Any]

# Objects with a meaning of their own, not attribute values.
_STRUCTURED = frozenset({"cio_relationships", "cio_subscription_preferences"})
_SIDES = ("primary", "secondary")
_MERGE_KINDS = frozenset({"id", "email", "cio_id"})
_BARE_ACTIONS = frozenset({"delete", "suppress", "unsuppress"})


def path_identifiers(identifier: str) -> dict[str, Any]:
    """The kind that v1 infers from the shape of the path's identifier.

    >>> path_identifiers("cio_a3000001"), path_identifiers("ada@example.com"), path_identifiers("7")
    ({'cio_id': 'a3000001'}, {'email': 'ada@example.com'}, {'id': '7'})
    """
    if identifier.startswith("cio_"):
        return {"cio_id": identifier.removeprefix("cio_")}
    before, at, after = identifier.partition("@")
    looks_like_email = before and at and "." in after and not set(identifier) & set(" /")
    return {"email" if looks_like_email else "id": identifier}


def check_path(identifier: str) -> str:
    """What is wrong with an identifier in a path."""
    if not identifier:
        return "id attribute cannot be an empty string"
    return "id attribute cannot be longer than 150 bytes" if is_long(identifier, ID_MAX_BYTES) else ""


def check_identify(body: Entity, rules: Rules) -> str:
    """What is wrong with the body of PUT customers/{identifier}: a flat object of attributes."""
    message = _check_id(body.get("id", "-"), rules) or _check_relationships(body.get("cio_relationships"))
    if message:
        return message
    if len(body) > ATTRIBUTES_MAX:
        return "cannot identify more than 300 attributes in one request"
    for name, value in body.items():
        if is_long_name(name):
            return "attribute name cannot be longer than 150 bytes"
        if name not in _STRUCTURED and is_long_value(value):
            return f"value for attribute '{name}' cannot be longer than 1000 bytes"
    return ""


def _check_id(value: Any, rules: Rules) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and rules.numeric_id == "accept":
        return ""
    if not isinstance(value, str):
        return "id attribute must be a string value"
    if not value:
        return "id attribute cannot be an empty string"
    return "id attribute cannot be longer than 150 bytes" if is_long(value, ID_MAX_BYTES) else ""


def _check_relationships(value: Any) -> str:
    """v1 has the action inside: `{"action": …, "relationships": […]}`."""
    if value is None:
        return ""
    if not isinstance(value, dict) or value.get("action") not in RELATIONSHIP_ACTIONS:
        return "cio_relationships must have an action: add_relationships or delete_relationships"
    problems = check_relationships(value.get("relationships"), "object")
    return f"{problems[0].field} {problems[0].message}" if problems else ""


def check_event(body: Entity, rules: Rules) -> str:
    """What is wrong with an event of a known person."""
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        return "event name must not be blank"
    if is_long(name.strip(), EVENT_NAME_MAX_BYTES):
        return "event name cannot be longer than 100 bytes"
    data = body.get("data", {})
    if not isinstance(data, dict):
        return "event data must be a hash"
    if json_bytes(data) > EVENT_DATA_MAX_BYTES:
        return "event data cannot be longer than 100000 bytes"
    if rules.non_ulid == "reject" and "id" in body and not is_event_id(body["id"]):
        return "event id must be a ULID"
    return ""


def check_anonymous_event(body: Entity, rules: Rules) -> str:
    """What is wrong with an event of nobody known: it has an `anonymous_id`, or invites someone."""
    message = check_event(body, rules)
    if message:
        return message
    anonymous_id = body.get("anonymous_id")
    if anonymous_id is not None and not isinstance(anonymous_id, str | int):
        return "anonymous_id must be a string value"
    if rules.invite == "reject" and not has_anyone(body):
        return "anonymous_id or data.recipient must be present"
    return ""


def has_anyone(body: Entity) -> bool:
    """Whether an anonymous event says whose it is, or who it invites."""
    return bool(body.get("anonymous_id") or body.get("data", {}).get("recipient"))


def check_merge(body: Entity) -> str:
    """What is wrong with a merge: exactly one identifier on each side."""
    for side in _SIDES:
        identifiers = body.get(side)
        if not isinstance(identifiers, dict) or not identifiers:
            return f"{side} must be present"
        if len(identifiers) > 1 or not _MERGE_KINDS.issuperset(identifiers):
            return f"{side} must have exactly one of id, email, cio_id"
        (value,) = identifiers.values()
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            return f"{side} must be a non-empty string"
    return ""


def check_device(body: Entity) -> str:
    """What is wrong with the body of PUT customers/{identifier}/devices."""
    device = body.get("device")
    if not isinstance(device, dict) or not isinstance(device.get("id"), str) or not device["id"]:
        return "device id must be present"
    return "" if device.get("platform") in PLATFORMS else "device platform must be ios or android"


def identify_entity(identifier: str, body: Entity) -> Entity:
    """PUT customers/{identifier}; v1's `_timestamp` is v2's `timestamp`."""
    attributes = {name: value for name, value in body.items() if name != "_timestamp"}
    return _person(identifier, "identify", attributes=attributes, **_part(body, "_timestamp"))


def event_entity(identifiers: dict[str, Any], body: Entity) -> Entity:
    """POST …/events; v1's `data` is v2's `attributes`, any type but page, screen is event."""
    action = body.get("type")
    return {
        "type": "person",
        "action": action if action in ("page", "screen") else "event",
        "identifiers": identifiers,
        "name": body["name"],
        "attributes": body.get("data", {}),
        **_part(body, "timestamp"),
        **({"id": body["id"]} if "id" in body else {}),
    }


def device_entity(identifier: str, action: str, device: Entity) -> Entity:
    """PUT and DELETE …/devices; v1's device `id` is v2's `token`."""
    return _person(identifier, action, device={**device, "token": device["id"]})


def merge_entity(body: Entity) -> Entity:
    """POST merge_customers."""
    return {"type": "person", "action": "merge", **{side: body[side] for side in _SIDES}}


def bare_entity(identifier: str, action: str) -> Entity:
    """DELETE customers/{identifier}, suppress, unsuppress."""
    assert action in _BARE_ACTIONS
    return _person(identifier, action)


def _person(identifier: str, action: str, **more: Any) -> Entity:
    identifiers = path_identifiers(identifier)
    return {"type": "person", "action": action, "identifiers": identifiers, **more}


def _part(body: Entity, name: str) -> Entity:
    return {"timestamp": body[name]} if name in body else {}
