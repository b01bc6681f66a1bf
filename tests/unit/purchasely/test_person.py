"""Who an event is about, whatever its sender wrote, and the shard that follows."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.effective import identity_of
from config.integrations import default_identity
from worker.ingest.bodies import read_one
from worker.purchasely.event import read_event
from worker.purchasely.person import person_names, shard_of, shard_person, text_id

CHAIN = default_identity()


def door_shard(body, identity=CHAIN, shards=4096):
    """The shard that the door stores a body on."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_one("app", raw, shards, 10_000, identity)[0].shard


def test_one_customerio_id_is_on_one_shard_whoever_is_logged_in():
    """Before the login, after it, and on both sides of the transfer."""
    events = [
        {"anonymous_user_id": "A", "customerio_user_id": "C"},
        {"user_id": "U", "customerio_user_id": "C", "transferred_from_anonymous_user_id": "A"},
        {"anonymous_user_id": "A", "customerio_user_id": "C", "transferred_to_user_id": "U"},
        {"device_id": "d", "customerio_user_id": " C ", "customerio_user_email": "c@x.io"},
    ]
    assert {door_shard(event) for event in events} == {shard_of("C", 4096)}


def test_the_chain_of_the_source_decides_the_shard():
    """A field of the file's own choosing, also where it holds a number."""
    own = identity_of(["crm_id"], ["mail"], "id", ["guest"])
    assert door_shard({"crm_id": 7, "user_id": "U"}, own) == shard_of("7", 4096)
    assert door_shard({"crm_id": "guest", "mail": "Ann@X.io", "user_id": "U"}, own) == shard_of("ann@x.io", 4096)
    assert door_shard({"user_id": "U"}, own) == shard_of("U", 4096)


def test_an_address_in_another_case_is_on_the_same_shard():
    """As an e-mail field, and as a user id with an @."""
    for field in ("customerio_user_email", "user_id"):
        assert door_shard({field: "Ann@x.io"}) == door_shard({field: "ann@X.IO"})


@pytest.mark.parametrize(
    "value", ["undefined", "NULL", "[object Object]", "None", "NaN", "nan", " null ", "(null)", "\ufeffnull\u200b"]
)
def test_a_placeholder_decides_no_shard(value):
    """Or one shard would have all who are nobody."""
    assert door_shard({"user_id": value, "anonymous_user_id": "A"}) == shard_of("A", 4096)
    assert shard_person({"user_id": value}, CHAIN) == ""


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("98", "98"),
        ("98.0", "98"),
        ("123456789012345678901", "123456789012345678901"),
        ("123456789012345678902", "123456789012345678902"),
        ("-7", "-7"),
        ("123456789012345678901.0", ""),  # a double keeps sixteen digits: it could be anybody
        ("9007199254740993.0", ""),
        ("1e20", ""),
        ("9.8e1", "98"),
        ("true", ""),
        ("null", ""),
        (r'"\u200b"', ""),
        (r'"\ufeff \u2060"', ""),
        (r'"\u0000"', ""),
        (r'"\u3164"', ""),
        (r'"\ufeffuser\u200d1\u200b"', "user\u200d1"),
        ('"  a b "', "a b"),
    ],
)
def test_an_identifier_is_text(written, text):
    """A number has its digits, however many, for the door and for the worker."""
    raw = b'{"user_id": %b, "event_id": "e"}' % written.encode()
    assert text_id(read_event("1-0", raw).payload.get("user_id")) == text
    assert door_shard(raw) == shard_of(text or "e", 4096)


@given(st.integers() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_door_and_worker_agree_on_the_shard(value):
    """Whatever is where an id belongs."""
    raw = (
        orjson.dumps({"customerio_user_id": value, "event_id": "e"}, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
        if (not isinstance(value, int) or abs(value) < 2**63)
        else b'{"customerio_user_id":%d,"event_id":"e"}' % value
    )
    event = read_event("1-0", raw)
    assert door_shard(raw) == shard_of(shard_person(event.payload, CHAIN) or event.key, 4096)


def test_the_fields_of_a_chain_name_a_person_too():
    """For suppression, filters and forgetting."""
    assert person_names({"crm_id": 7, "user_id": "Ann@x.io"}, ["crm_id"]) == {"7", "ann@x.io"}
