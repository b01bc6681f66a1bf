"""What the simulated v1 says about bodies, and the v2 entities they mean."""

import pytest

from worker.simulator import bodies
from worker.simulator.limits import Rules

ULID = "01BX5ZZKBKACTAV9WEVGEMMVRY"


OBJECT = {"identifiers": {"object_type_id": "1", "object_id": "acme"}}
RELATED = {"action": "add_relationships", "relationships": [OBJECT]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, ""),
        ({"id": "5", "plan": "pro", "empty": None}, ""),
        ({f"a{n}": n for n in range(300)}, ""),
        (
            {
                "cio_relationships": {
                    **RELATED,
                    "relationships": [{**OBJECT, "relationship_attributes": {"a": "x" * 2000}}],
                }
            },
            "",
        ),
        ({"cio_relationships": RELATED}, ""),
        ({"cio_relationships": {}}, "cio_relationships must have an action: add_relationships or delete_relationships"),
        ({"cio_relationships": {**RELATED, "relationships": []}}, "cio_relationships is required"),
        (
            {"cio_relationships": {**RELATED, "relationships": [{"identifiers": {"object_id": "a"}}]}},
            "cio_relationships[0].identifiers.object_type_id is required",
        ),
        ({"id": 5}, "id attribute must be a string value"),
        ({"id": None}, "id attribute must be a string value"),
        ({"id": ""}, "id attribute cannot be an empty string"),
        ({"id": "x" * 151}, "id attribute cannot be longer than 150 bytes"),
        ({f"a{n}": n for n in range(301)}, "cannot identify more than 300 attributes in one request"),
        ({"é" * 76: 1}, "attribute name cannot be longer than 150 bytes"),
        ({"plan": "x" * 1001}, "value for attribute 'plan' cannot be longer than 1000 bytes"),
        ({"plan": {"a": "x" * 1000}}, "value for attribute 'plan' cannot be longer than 1000 bytes"),
    ],
)
def test_identify(body, message):
    """A flat object of attributes is accepted within the limits, else the documented message."""
    assert bodies.check_identify(body, Rules()) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "x"}, ""),
        ({"name": " x ", "data": {}, "timestamp": "garbage", "id": "evt_1"}, ""),
        ({"name": "é" * 50}, ""),
        ({"name": "x", "data": {"a": "x" * 99_992}}, ""),
        ({}, "event name must not be blank"),
        ({"name": "  "}, "event name must not be blank"),
        ({"name": None}, "event name must not be blank"),
        ({"name": "é" * 51}, "event name cannot be longer than 100 bytes"),
        ({"name": "x", "data": "x"}, "event data must be a hash"),
        ({"name": "x", "data": []}, "event data must be a hash"),
        ({"name": "x", "data": None}, "event data must be a hash"),
        ({"name": "x", "data": {"a": "x" * 99_993}}, "event data cannot be longer than 100000 bytes"),
    ],
)
def test_event(body, message):
    """An event needs a name and may have data, within the limits."""
    assert bodies.check_event(body, Rules()) == message


def test_strict_event_id():
    """An id that is no ULID is refused by a knob."""
    strict = Rules(non_ulid="reject")
    assert bodies.check_event({"name": "x", "id": "evt_1"}, strict) == "event id must be a ULID"
    assert bodies.check_event({"name": "x", "id": ULID}, strict) == ""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "x", "anonymous_id": "a"}, ""),
        ({"name": "x", "data": {"recipient": "a@example.com"}}, ""),
        ({"name": "x"}, "anonymous_id or data.recipient must be present"),
        ({"name": "x", "anonymous_id": ["a"]}, "anonymous_id must be a string value"),
        ({"name": "", "anonymous_id": "a"}, "event name must not be blank"),
    ],
)
def test_anonymous_event(body, message):
    """An anonymous event names an anonymous id or a recipient, when the knob asks for it."""
    assert bodies.check_anonymous_event(body, Rules(invite="reject")) == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"primary": {"id": "1"}, "secondary": {"email": "a@example.com"}}, ""),
        ({"primary": {"id": "1"}}, "secondary must be present"),
        ({"primary": {"id": "1", "email": "a"}}, "primary must have exactly one of id, email, cio_id"),
        ({"primary": {"phone": "1"}}, "primary must have exactly one of id, email, cio_id"),
        ({"primary": {"id": ""}}, "primary must be a non-empty string"),
        ({"primary": {"id": True}}, "primary must be a non-empty string"),
    ],
)
def test_merge(body, message):
    """A merge has exactly one identifier on each side."""
    assert bodies.check_merge(body) == message


@pytest.mark.parametrize("device", [{"id": "t"}, {"id": "t", "platform": "web"}, {"id": "t", "platform": None}])
def test_device_without_platform(device):
    """A v1 device has a platform, ios or android."""
    assert bodies.check_device({"device": device}) == "device platform must be ios or android"


@pytest.mark.parametrize(
    ("value", "message"), [(5, ""), (1.5, ""), ("5", ""), (True, "id attribute must be a string value")]
)
def test_numeric_id_by_knob(value, message):
    """A number as the body's id is refused as documented, or accepted by a knob; true is no number."""
    assert bodies.check_identify({"id": value}, Rules(numeric_id="accept")) == message


@pytest.mark.parametrize("device", [None, "t", {}, {"id": ""}, {"token": "t"}])
def test_device_without_id(device):
    """A v1 device has an id."""
    assert bodies.check_device({"device": device}) == "device id must be present"


@pytest.mark.parametrize(
    ("identifier", "identifiers"),
    [
        ("42", {"id": "42"}),
        ("5 ", {"id": "5 "}),
        ("a@example.com", {"email": "a@example.com"}),
        ("a+b@x.com", {"email": "a+b@x.com"}),
        ("@home", {"id": "@home"}),
        ("user/with@x.com/slashes", {"id": "user/with@x.com/slashes"}),
        ("cio_a3000001", {"cio_id": "a3000001"}),
    ],
)
def test_path_identifier(identifier, identifiers):
    """The kind of an identifier in a path is read from its shape."""
    assert bodies.path_identifiers(identifier) == identifiers


def test_meaning():
    """Each v1 call means one v2 entity."""
    who = {"type": "person", "identifiers": {"id": "7"}}
    assert bodies.identify_entity("7", {"a": 1, "_timestamp": 1772013598}) == {
        **who,
        "action": "identify",
        "attributes": {"a": 1},
        "timestamp": 1772013598,
    }
    event = {"name": "x", "type": "odd", "id": ULID, "timestamp": 1772013598, "data": {"a": 1}}
    assert bodies.event_entity({"id": "7"}, event) == {
        **who,
        "action": "event",
        "name": "x",
        "id": ULID,
        "timestamp": 1772013598,
        "attributes": {"a": 1},
    }
    assert bodies.event_entity({"id": "7"}, {"name": "x", "type": "page"})["action"] == "page"
    assert bodies.device_entity("7", "add_device", {"id": "t", "platform": "ios"}) == {
        **who,
        "action": "add_device",
        "device": {"id": "t", "token": "t", "platform": "ios"},
    }
    assert bodies.bare_entity("7", "delete") == {**who, "action": "delete"}
