"""Entities of Track API v2: facts in, errors out."""

from collections.abc import Callable, Collection, Container
from typing import Any

from worker.simulator.limits import (
    ATTRIBUTES_MAX,
    EVENT_NAME_MAX_BYTES,
    ID_MAX_BYTES,
    SAFE_CHARS,
    Problem,
    Rules,
    canonical,
    is_long,
    is_long_name,
    is_long_value,
    is_ulid,
)

TYPE_ACTIONS = {
    "person": frozenset(
        {
            *("identify", "delete", "event", "page", "screen", "merge", "suppress", "unsuppress"),
            *("add_relationships", "delete_relationships", "add_device", "delete_device"),
        }
    ),
    "object": frozenset(["identify", "identify_anonymous", "delete", "add_relationships", "delete_relationships"]),
    "delivery": frozenset({"event"}),
}
EVENT_ACTIONS = frozenset({"event", "page", "screen"})
PERSON_KINDS = frozenset({"id", "email", "phone", "cio_id"})
RELATIONSHIP_ACTIONS = frozenset({"add_relationships", "delete_relationships"})
PLATFORMS = frozenset({"ios", "android"})
DELIVERY_EVENTS = frozenset({"opened", "converted", "delivered"})


def check_entity(
    entity: Any, rules: Rules, rejected: Container[str] = (), attributes: Collection[str] = ()
) -> list[Problem]:
    """What is wrong with one entity; empty when it is accepted.

    On purpose: an event named as in `rejected`, an identify with one of these `attributes`.
    """
    if not isinstance(entity, dict):
        return [Problem("invalid", "", "must be an object")]
    kind, action = entity.get("type"), entity.get("action")
    if kind is None or action is None:
        return [required(field) for field in ("type", "action") if entity.get(field) is None]
    if not isinstance(kind, str) or kind not in TYPE_ACTIONS:
        return [Problem("invalid", "type", "must be person, object or delivery")]
    if not isinstance(action, str) or action not in TYPE_ACTIONS[kind]:
        return [Problem("invalid", "action", f"is not an action of {kind}")]
    if kind != "person":
        return _check_other(kind, entity)
    if action == "merge":
        return _check_merge(entity)
    problems = check_identifiers(entity.get("identifiers"), "identifiers", action, rules)
    check = _CHECKS.get(action)
    if check is not None:
        problems += check(entity, rules)
    if action in EVENT_ACTIONS and not problems and entity["name"] in rejected:
        problems.append(Problem("invalid", "name", "is rejected by the simulator, as asked"))
    if action == "identify" and attributes and not problems:
        refused = sorted(set(attributes).intersection(entity.get("attributes") or ()))
        problems += [Problem("invalid", f"attributes.{name}", "is rejected by the simulator") for name in refused]
    return problems


def required(field: str) -> Problem:
    """The entry for what is missing."""
    return Problem("required", field, "is required")


def check_identifiers(identifiers: Any, field: str, action: str, rules: Rules) -> list[Problem]:
    """Exactly one identifier, of a known kind, with a string or a number."""
    if not identifiers and (identifiers is None or isinstance(identifiers, dict)):
        return [required(field)]
    if not isinstance(identifiers, dict):
        return [Problem("invalid", field, "must be an object")]
    if len(identifiers) > 1:
        return [Problem("invalid", field, "cannot pass multiple identifiers")]
    ((kind, value),) = identifiers.items()
    if kind not in PERSON_KINDS and not _may_be_anonymous(kind, action, rules):
        return [Problem("invalid", field, f"{kind} is not an identifier of this action")]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return [Problem("invalid", f"{field}.{kind}", "must be a string or a number")]
    text = canonical(kind, value)
    if not text:
        return [required(f"{field}.{kind}")]
    if is_long(text, ID_MAX_BYTES):
        return [Problem("invalid", f"{field}.{kind}", "cannot be longer than 150 bytes")]
    return []


def _may_be_anonymous(kind: str, action: str, rules: Rules) -> bool:
    return kind == "anonymous_id" and (
        action in EVENT_ACTIONS or (action == "identify" and rules.anonymous_identify == "accept")
    )


def _check_identify(entity: dict[str, Any], _rules: Rules) -> list[Problem]:
    attributes = entity.get("attributes", {})
    if not isinstance(attributes, dict):
        return [Problem("invalid", "attributes", "must be an object")]
    problems = []
    if len(attributes) > ATTRIBUTES_MAX:
        problems.append(Problem("invalid", "attributes", "cannot have more than 300 attributes"))
    for name, value in attributes.items():
        if len(name) > SAFE_CHARS and is_long_name(name):
            message = "attribute name cannot be longer than 150 bytes"
            problems.append(Problem("invalid", f"attributes.{name}", message))
        # a call for every attribute would be the dearest thing here: most are short texts
        if (type(value) is not str or len(value) > SAFE_CHARS) and is_long_value(value):
            message = "property value cannot be longer than 1000 bytes"
            problems.append(Problem("invalid", f"attributes.{name}", message))
    if entity["type"] == "person" and entity.get("cio_relationships") not in (None, []):
        problems += check_relationships(entity["cio_relationships"], "object")
    return problems


def _check_event(entity: dict[str, Any], rules: Rules) -> list[Problem]:
    problems = []
    name = entity.get("name")
    if name is None or (isinstance(name, str) and not name.strip()):
        problems.append(required("name"))
    elif not isinstance(name, str):
        problems.append(Problem("invalid", "name", "must be a string"))
    elif is_long(name.strip(), EVENT_NAME_MAX_BYTES):
        problems.append(Problem("invalid", "name", "cannot be longer than 100 bytes"))
    if not isinstance(entity.get("attributes", {}), dict):
        problems.append(Problem("invalid", "attributes", "must be an object"))
    if rules.non_ulid == "reject" and "id" in entity and not is_event_id(entity["id"]):
        problems.append(Problem("invalid", "id", "must be a ULID"))
    return problems


def is_event_id(value: Any) -> bool:
    """Whether a value deduplicates an event."""
    return isinstance(value, str) and is_ulid(value) is not None


def _check_device(entity: dict[str, Any], _rules: Rules) -> list[Problem]:
    device = entity.get("device")
    if device is None:
        return [required("device")]
    if not isinstance(device, dict):
        return [Problem("invalid", "device", "must be an object")]
    token = device.get("token")
    if token is None or token == "":
        return [required("device.token")]
    if not isinstance(token, str):
        return [Problem("invalid", "device.token", "must be a string")]
    if entity["action"] == "delete_device":
        return []
    if device.get("platform") is None:
        return [required("device.platform")]
    if device["platform"] not in PLATFORMS:
        return [Problem("invalid", "device.platform", "must be ios or android")]
    return []


def _check_merge(entity: dict[str, Any]) -> list[Problem]:
    return [
        problem
        for side in ("primary", "secondary")
        for problem in check_identifiers(entity.get(side), side, "merge", _PLAIN)
    ]


def _check_other(kind: str, entity: dict[str, Any]) -> list[Problem]:
    """Objects and deliveries: their shape."""
    if kind == "object":
        return _check_object(entity)
    problems = []
    if entity.get("name") not in DELIVERY_EVENTS:
        problems.append(Problem("invalid", "name", "must be opened, converted or delivered"))
    attributes = entity.get("attributes")
    if not isinstance(attributes, dict) or not attributes.get("device_token"):
        problems.append(required("attributes.device_token"))
    return problems


def _check_object(entity: dict[str, Any]) -> list[Problem]:
    problems = check_object_identifiers(entity.get("identifiers"), "identifiers")
    if entity["action"] in ("identify", "identify_anonymous"):
        problems += _check_identify(entity, _PLAIN)
    if entity.get("cio_relationships") not in (None, []) or entity["action"] in RELATIONSHIP_ACTIONS:
        problems += check_relationships(entity.get("cio_relationships"), "person")
    return problems


def check_object_identifiers(identifiers: Any, field: str) -> list[Problem]:
    """An object is named by its type and id together, or by `cio_object_id` alone."""
    if not identifiers and (identifiers is None or isinstance(identifiers, dict)):
        return [required(field)]
    if not isinstance(identifiers, dict):
        return [Problem("invalid", field, "must be an object")]
    names = {"cio_object_id"} if "cio_object_id" in identifiers else {"object_type_id", "object_id"}
    problems = [required(f"{field}.{name}") for name in sorted(names) if identifiers.get(name) in (None, "")]
    if identifiers.keys() - names:
        problems.append(Problem("invalid", field, "must be object_type_id and object_id, or cio_object_id"))
    for name in sorted(names & identifiers.keys()):
        value = identifiers[name]
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            problems.append(Problem("invalid", f"{field}.{name}", "must be a string or a number"))
        elif is_long(str(value), ID_MAX_BYTES):
            problems.append(Problem("invalid", f"{field}.{name}", "cannot be longer than 150 bytes"))
    return problems


def check_relationships(relationships: Any, other: str) -> list[Problem]:
    """A list of the others, each named as what it is: an `object` or a `person`."""
    if relationships is None or relationships == []:
        return [required("cio_relationships")]
    if not isinstance(relationships, list):
        return [Problem("invalid", "cio_relationships", "must be an array")]
    problems = []
    for at, one in enumerate(relationships):
        field = f"cio_relationships[{at}].identifiers"
        if not isinstance(one, dict):
            problems.append(Problem("invalid", f"cio_relationships[{at}]", "must be an object"))
        elif other == "object":
            problems += check_object_identifiers(one.get("identifiers"), field)
        else:
            problems += check_identifiers(one.get("identifiers"), field, "add_relationships", _PLAIN)
    return problems


def _check_person_relationships(entity: dict[str, Any], _rules: Rules) -> list[Problem]:
    return check_relationships(entity.get("cio_relationships"), "object")


_PLAIN = Rules()
_CHECKS: dict[str, Callable[[dict[str, Any], Rules], list[Problem]]] = {
    "identify": _check_identify,
    "event": _check_event,
    "page": _check_event,
    "screen": _check_event,
    "add_relationships": _check_person_relationships,
    "delete_relationships": _check_person_relationships,
    "add_device": _check_device,
    "delete_device": _check_device,
}
