"""Arrays of flat events, taken apart in one pass."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.ingest.arrays import read_flat
from worker.ingest.bodies import read_many, read_one

SHARDS = 8
LIMIT = 2000

# What could be taken for the structure of an array is in the texts too.
TEXT = st.text(st.sampled_from('{}[],:"\\ aé') | st.characters(codec="utf-8"), max_size=6)
VALUE = TEXT | st.integers(-9, 9) | st.none() | st.booleans() | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT)
FIELD = st.sampled_from(["event_id", "user_id", "event_name"]) | TEXT
BLANK = st.sampled_from(["", " ", "\n", "\t \r\n"])


def decode(body):
    return msgspec.json.decode(body, type=list[dict])


@given(st.lists(st.dictionaries(FIELD, VALUE, max_size=3), max_size=5), BLANK, BLANK, st.sampled_from([None, 1]))
def test_events_are_those_that_each_is_by_itself(events, before, behind, indent):
    """Bytes, id, person and shard: whatever is in the texts and between the objects."""
    rows = [json.dumps(one, ensure_ascii=False, indent=indent) for one in events]
    body = f"{before}[{before}{f'{behind},{before}'.join(rows)}{behind}]{behind}".encode()
    alone = [read_one("app", row.encode(), SHARDS, LIMIT)[0] for row in rows]
    assert read_many("app", body, SHARDS, LIMIT, lines=False) == alone


@given(st.lists(st.dictionaries(st.text("ab", max_size=2), st.text("ab }], ", max_size=4)), min_size=1, max_size=5))
def test_plain_arrays_are_taken_apart(events):
    """Nothing in them but ends of objects in texts: each has its bytes and its fields."""
    rows = [json.dumps(one).encode() for one in events]
    found = read_flat(b"[" + b" , ".join(rows) + b" ]\n", decode, 5)
    assert found == list(zip(rows, events, strict=True))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[1]",
        b"[{}",
        b"{}",
        b"[{},]",
        b"[{}]{}",
        b'[{"a":{}}]',
        b'[{"a":"}"},{"b":{}}]',
        b'[{"a":[]}]',
        b'[{"a":"{"}]',
        b'[{"a":"{"},1]',
        b'[{"a":"\\n"}]',
        '[{"a":"é"}]'.encode(),
        b"[{},{},{}]",
        b'[{"a":"}' + b'",{"a":' * 2000,
    ],
)
def test_anything_else_is_left_to_the_strict_reader(body):
    """Nested, escaped, not ASCII, too many, no objects, not JSON."""
    assert read_flat(body, decode, 2) is None
