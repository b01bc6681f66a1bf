"""What the simulated v2 says about one entity: the table of the reference, row by row."""

from typing import Any

import pytest

from worker.simulator.entities import check_entity
from worker.simulator.limits import Problem, Rules

ULID = "01BX5ZZKBKACTAV9WEVGEMMVRY"
IDENTIFY = {"type": "person", "action": "identify", "identifiers": {"id": "42"}}
EVENT = {**IDENTIFY, "action": "event", "name": "purchase", "id": ULID}
MERGE = {
    "type": "person",
    "action": "merge",
    "primary": {"id": "1"},
    "secondary": {"email": "a@example.com"},
}
RELATED = {"identifiers": {"object_type_id": "1", "object_id": "acme"}}
OBJECT = {"type": "object", "action": "identify", **RELATED}
DEVICE = {**IDENTIFY, "action": "add_device", "device": {"token": "t", "platform": "ios"}}
DELIVERY = {
    "type": "delivery",
    "action": "event",
    "name": "opened",
    "attributes": {"device_token": "t"},
}


def without(entity: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if name != field}


ACCEPTED: dict[str, Any] = {
    "identify": {**IDENTIFY, "attributes": {"plan": "pro"}, "timestamp": 1772013598},
    "identify without attributes": IDENTIFY,
    "identify with empty attributes": {**IDENTIFY, "attributes": {}},
    "identify with null and empty values": {**IDENTIFY, "attributes": {"a": None, "b": ""}},
    "a value of 1000 bytes": {**IDENTIFY, "attributes": {"a": "x" * 1000}},
    "a value of 1000 bytes in 500 characters": {**IDENTIFY, "attributes": {"a": "é" * 500}},
    "an attribute name of 150 bytes": {**IDENTIFY, "attributes": {"a" * 150: 1}},
    "300 attributes": {**IDENTIFY, "attributes": {f"a{n}": n for n in range(300)}},
    "an id of 150 bytes": {**IDENTIFY, "identifiers": {"id": "é" * 75}},
    "a number as id": {**IDENTIFY, "identifiers": {"id": 42}},
    "zero as id": {**IDENTIFY, "identifiers": {"id": 0}},
    "an e-mail": {**IDENTIFY, "identifiers": {"email": "a@example.com"}},
    "a phone": {**IDENTIFY, "identifiers": {"phone": "+331"}},
    "a cio_id": {**IDENTIFY, "identifiers": {"cio_id": "a3000001"}},
    "an anonymous identify": {**IDENTIFY, "identifiers": {"anonymous_id": "x"}},
    "unknown extra keys": {**IDENTIFY, "colour": "red"},
    "event": EVENT,
    "event without id": without(EVENT, "id"),
    "event with an id that is no ULID": {**EVENT, "id": "evt_1"},
    "event name of 100 bytes and spaces": {**EVENT, "name": " " + "x" * 100 + " "},
    "event value over 1000 bytes": {**EVENT, "attributes": {"a": "x" * 2000}},
    "event with data instead of attributes": {**EVENT, "data": {"a": 1}},
    "event with a garbage timestamp": {**EVENT, "timestamp": "yesterday"},
    "page": {**EVENT, "action": "page"},
    "screen of an anonymous": {**EVENT, "action": "screen", "identifiers": {"anonymous_id": "x"}},
    "delete": {**IDENTIFY, "action": "delete"},
    "suppress": {**IDENTIFY, "action": "suppress"},
    "unsuppress": {**IDENTIFY, "action": "unsuppress"},
    "add_device": DEVICE,
    "delete_device": {**DEVICE, "action": "delete_device", "device": {"token": "t"}},
    "add_relationships": {**IDENTIFY, "action": "add_relationships", "cio_relationships": [RELATED]},
    "merge": MERGE,
    "merge with identifiers": {**MERGE, "identifiers": {"id": "9"}},
    "object": {
        "type": "object",
        "action": "identify",
        "identifiers": {"object_type_id": "1", "object_id": "acme"},
    },
    "delivery": DELIVERY,
}

TOO_LONG = "property value cannot be longer than 1000 bytes"
NAME_TOO_LONG = "attribute name cannot be longer than 150 bytes"
REFUSED: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "a text": ("x", [("invalid", "")]),
    "null": (None, [("invalid", "")]),
    "nothing": ({}, [("required", "type"), ("required", "action")]),
    "no type": (without(IDENTIFY, "type"), [("required", "type")]),
    "no action": (without(IDENTIFY, "action"), [("required", "action")]),
    "no identifiers": (without(IDENTIFY, "identifiers"), [("required", "identifiers")]),
    "no identifiers and no name": (
        without(without(EVENT, "identifiers"), "name"),
        [("required", "identifiers"), ("required", "name")],
    ),
    "unknown type": ({**IDENTIFY, "type": "pet"}, [("invalid", "type")]),
    "type of another type": ({**IDENTIFY, "type": {}}, [("invalid", "type")]),
    "unknown action": ({**IDENTIFY, "action": "track"}, [("invalid", "action")]),
    "action of another type": ({**IDENTIFY, "action": []}, [("invalid", "action")]),
    "a person's action on a delivery": ({**DELIVERY, "action": "identify"}, [("invalid", "action")]),
    "empty identifiers": ({**IDENTIFY, "identifiers": {}}, [("required", "identifiers")]),
    "identifiers as text": ({**IDENTIFY, "identifiers": "42"}, [("invalid", "identifiers")]),
    "two identifiers": (
        {**IDENTIFY, "identifiers": {"id": "1", "email": "a@example.com"}},
        [("invalid", "identifiers")],
    ),
    "unknown identifier": ({**IDENTIFY, "identifiers": {"name": "1"}}, [("invalid", "identifiers")]),
    "anonymous delete": (
        {**IDENTIFY, "action": "delete", "identifiers": {"anonymous_id": "x"}},
        [("invalid", "identifiers")],
    ),
    "id null": ({**IDENTIFY, "identifiers": {"id": None}}, [("invalid", "identifiers.id")]),
    "id true": ({**IDENTIFY, "identifiers": {"id": True}}, [("invalid", "identifiers.id")]),
    "id list": ({**IDENTIFY, "identifiers": {"id": []}}, [("invalid", "identifiers.id")]),
    "id object": ({**IDENTIFY, "identifiers": {"id": {}}}, [("invalid", "identifiers.id")]),
    "id empty": ({**IDENTIFY, "identifiers": {"id": ""}}, [("required", "identifiers.id")]),
    "id of 151 bytes": (
        {**IDENTIFY, "identifiers": {"id": "é" * 75 + "x"}},
        [("invalid", "identifiers.id")],
    ),
    "attributes as list": ({**IDENTIFY, "attributes": []}, [("invalid", "attributes")]),
    "301 attributes": (
        {**IDENTIFY, "attributes": {f"a{n}": n for n in range(301)}},
        [("invalid", "attributes")],
    ),
    "long name and long values": (
        {**IDENTIFY, "attributes": {"n" * 151: 1, "a": "é" * 501, "b": ["x" * 999], "c": "x"}},
        [("invalid", "attributes." + "n" * 151), ("invalid", "attributes.a"), ("invalid", "attributes.b")],
    ),
    "no name": (without(EVENT, "name"), [("required", "name")]),
    "blank name": ({**EVENT, "name": "  "}, [("required", "name")]),
    "number as name": ({**EVENT, "name": 7}, [("invalid", "name")]),
    "name of 101 bytes": ({**EVENT, "name": "é" * 50 + "x"}, [("invalid", "name")]),
    "event attributes as text": ({**EVENT, "attributes": "x"}, [("invalid", "attributes")]),
    "no device": (without(DEVICE, "device"), [("required", "device")]),
    "device as text": ({**DEVICE, "device": "t"}, [("invalid", "device")]),
    "v1's device id": ({**DEVICE, "device": {"id": "t"}}, [("required", "device.token")]),
    "device token as number": ({**DEVICE, "device": {"token": 1}}, [("invalid", "device.token")]),
    "device without platform": ({**DEVICE, "device": {"token": "t"}}, [("required", "device.platform")]),
    "device of another platform": (
        {**DEVICE, "device": {"token": "t", "platform": "web"}},
        [("invalid", "device.platform")],
    ),
    "relationships without cio_relationships": (
        {**IDENTIFY, "action": "add_relationships"},
        [("required", "cio_relationships")],
    ),
    "no relationship to delete": (
        {**IDENTIFY, "action": "delete_relationships", "cio_relationships": []},
        [("required", "cio_relationships")],
    ),
    "relationships as object": (
        {**IDENTIFY, "cio_relationships": {"identifiers": {}}},
        [("invalid", "cio_relationships")],
    ),
    "relationship with one of two identifiers": (
        {**IDENTIFY, "action": "add_relationships", "cio_relationships": [{"identifiers": {"object_id": "a"}}]},
        [("required", "cio_relationships[0].identifiers.object_type_id")],
    ),
    "object without type id": (
        {**OBJECT, "identifiers": {"object_id": "acme"}},
        [("required", "identifiers.object_type_id")],
    ),
    "object without id": (
        {**OBJECT, "identifiers": {"object_type_id": "1"}},
        [("required", "identifiers.object_id")],
    ),
    "object with two names": (
        {**OBJECT, "identifiers": {"cio_object_id": "ob1", "object_id": "acme"}},
        [("invalid", "identifiers")],
    ),
    "object's relationships missing": (
        {**OBJECT, "action": "add_relationships"},
        [("required", "cio_relationships")],
    ),
    "object related to nobody": (
        {**OBJECT, "cio_relationships": [{"identifiers": {}}]},
        [("required", "cio_relationships[0].identifiers")],
    ),
    "merge without secondary": (without(MERGE, "secondary"), [("required", "secondary")]),
    "merge with two primaries": (
        {**MERGE, "primary": {"id": "1", "cio_id": "2"}},
        [("invalid", "primary")],
    ),
    "merge with null": ({**MERGE, "primary": {"id": None}}, [("invalid", "primary.id")]),
    "delivery of another name": ({**DELIVERY, "name": "seen"}, [("invalid", "name")]),
    "delivery without token": (
        without(DELIVERY, "attributes"),
        [("required", "attributes.device_token")],
    ),
    "object without identifiers": (
        {"type": "object", "action": "identify"},
        [("required", "identifiers")],
    ),
}


@pytest.mark.parametrize("why", ACCEPTED)
def test_accepts(why):
    """What the documents allow, or no document forbids, is accepted."""
    assert check_entity(ACCEPTED[why], Rules()) == []


@pytest.mark.parametrize("why", REFUSED)
def test_refuses(why):
    """Every rule that is broken is named by its reason and its field."""
    entity, expected = REFUSED[why]
    problems = check_entity(entity, Rules())
    assert [(problem.reason, problem.field) for problem in problems] == expected
    assert all(problem.message for problem in problems)


def test_the_recorded_messages():
    """The messages that were seen in production are given word for word."""
    long = check_entity({**IDENTIFY, "attributes": {"plan": "x" * 1001}}, Rules())
    primary = check_entity({**MERGE, "primary": {"id": None}}, Rules())
    assert long == [Problem("invalid", "attributes.plan", TOO_LONG)]
    assert primary == [Problem("invalid", "primary.id", "must be a string or a number")]


KNOBS: dict[str, tuple[Rules, Any, list[tuple[str, str]]]] = {
    "an id that is no ULID": (
        Rules(non_ulid="reject"),
        {**EVENT, "id": "8" + ULID[1:]},
        [("invalid", "id")],
    ),
    "a ULID": (Rules(non_ulid="reject"), EVENT, []),
    "an anonymous identify": (
        Rules(anonymous_identify="invalid"),
        {**IDENTIFY, "identifiers": {"anonymous_id": "x"}},
        [("invalid", "identifiers")],
    ),
}


@pytest.mark.parametrize("why", KNOBS)
def test_stricter_knobs(why):
    """Where the documents are silent a knob makes it strict."""
    rules, entity, expected = KNOBS[why]
    assert [(p.reason, p.field) for p in check_entity(entity, rules)] == expected


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (ULID, True),
        (ULID.lower(), True),
        ("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", True),
        ("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", False),
        (ULID[:-1], False),
        (ULID + "0", False),
        (ULID + "\n", False),
        ("01BX5ZZKBKACTAV9WEVGEMMVRU", False),
        ("", False),
    ],
)
def test_ulid(text, is_one):
    """A ULID is 26 characters of Crockford's base32, the first one 7 at most."""
    problems = check_entity({**EVENT, "id": text}, Rules(non_ulid="reject"))
    assert (not problems) is is_one
