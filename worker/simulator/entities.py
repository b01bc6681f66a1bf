"""What v2 of the Track API says about one entity: facts in, errors out."""

from collections.abc import Callable, Container
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
DELIVERY_EVENTS = frozenset({"opened", "converted", "delivered"})


def check_entity(entity: Any, rules: Rules, rejected: Container[str] = ()) -> list[Problem]:
    """What is wrong with one entity; empty when it is accepted."""
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
    return [] if isinstance(token, str) else [Problem("invalid", "device.token", "is no string")]


def _check_merge(entity: dict[str, Any]) -> list[Problem]:
    return [
        problem
        for side in ("primary", "secondary")
        for problem in check_identifiers(entity.get(side), side, "merge", _PLAIN)
    ]


def _check_other(kind: str, entity: dict[str, Any]) -> list[Problem]:
    """Objects and deliveries: their shape alone."""
    if kind == "object":
        return [] if entity.get("identifiers") else [required("identifiers")]
    problems = []
    if entity.get("name") not in DELIVERY_EVENTS:
        problems.append(Problem("invalid", "name", "must be opened, converted or delivered"))
    attributes = entity.get("attributes")
    if not isinstance(attributes, dict) or not attributes.get("device_token"):
        problems.append(required("attributes.device_token"))
    return problems


_PLAIN = Rules()
_CHECKS: dict[str, Callable[[dict[str, Any], Rules], list[Problem]]] = {
    "identify": _check_identify,
    "event": _check_event,
    "page": _check_event,
    "screen": _check_event,
    "add_device": _check_device,
    "delete_device": _check_device,
}
