"""A payload read as documented means what it means as a dictionary."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.integrations import parse
from tests.support.payloads import CODES, START_MS, payload
from worker.mapping.mapper import Mapper
from worker.purchasely import event as events
from worker.purchasely.documented import FIELDS, Documented, read_documented
from worker.purchasely.event import read_event

FILE = """
[sources.app]
tokens = ["env:S"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:S"
api_key = "env:S"
environments = ["PRODUCTION", "SANDBOX"]

[integrations.production.identity]
anonymous = "profile"

[integrations.production.events]
"*" = true

[integrations.production.user_properties]
plan = true
"""
MAPPER = Mapper(parse(FILE, "integrations.toml", {"S": "x"}).integrations["production"])
SCALARS = (
    st.booleans()
    | st.none()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["", " ", "x" * 5000, "é" * 2000, "SANDBOX", "CONSUMABLE ", "2025-10-09T08:53:20.000Z", START_MS])
)
ODD = st.dictionaries(
    st.sampled_from([*sorted(FIELDS), "purchase_token", "recipient", "new_field", "get"]),
    SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2),
    max_size=3,
)
FULL = st.builds(
    lambda code, once, odd: payload(code, purchase=once) | odd, st.sampled_from(sorted(CODES)), st.booleans(), ODD
)


def both(raw, monkeypatch):
    """The event and the decision on it, read the fast way and as a dictionary."""
    found = []
    for read in (read_documented, lambda _: None):
        monkeypatch.setattr(events, "read_documented", read)
        event = read_event(f"{START_MS}-0", raw)
        found.append((event, MAPPER.decide(event, START_MS)))
    return found


@given(st.one_of(FULL, ODD), st.sets(st.sampled_from(sorted(FIELDS))))
@settings(max_examples=400, deadline=None)
def test_both_ways_come_to_the_same(body, without):
    """The event, the item that is sent and all that is learnt of the person."""
    raw = orjson.dumps({field: value for field, value in body.items() if field not in without})
    with pytest.MonkeyPatch.context() as monkeypatch:
        (fast, decision), (slow, expected) = both(raw, monkeypatch)
    assert (fast.name, fast.key, fast.time_ms) == (slow.name, slow.key, slow.time_ms)
    assert decision == expected
    assert type(slow.payload) is dict


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_as_documented_takes_the_fast_way(code):
    """Or it would be for nothing."""
    raw = orjson.dumps(payload(code))
    event = read_event(f"{START_MS}-0", raw)
    assert type(event.payload) is Documented
    assert raw in MAPPER.decide(event, START_MS).body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"plan":"\xff"}',
        b'{"plan":"\x01"}',
        b'{"plan":"a"} x',
        b'{"plan":"a",}',
        b'{"plan":"\xed\xa0\x80"}',
        b'{"amount_in_eur":1e400}',
        b'{"amount_in_eur":NaN}',
        b'{"amount_in_eur":01}',
        b"\xef\xbb\xbf{}",
        b"[]",
        b"{",
        b"",
    ],
)
def test_what_is_no_json_is_none_the_fast_way(raw):
    """It must not pass on as received what the other way refuses."""
    assert read_documented(raw) is None
    with pytest.raises(ValueError):
        read_event("1-0", raw)
