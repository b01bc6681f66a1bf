"""Payloads that a strict parser refuses, or reads as something else."""

import orjson
import pytest

from worker.purchasely.event import read_event
from worker.purchasely.payload import read_object, write_object
from worker.purchasely.surrogates import replace_lone_surrogates


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb'"caf\ud83d"', "caf�"),
        (rb'"\udc00\ud83d\ude00"', "�😀"),
        (rb'"\ud83d\ud83d\ude00"', "�😀"),
        (rb'"a\\ud83d"', r"a\ud83d"),
        (rb'"a\\\ud83d"', "a\\�"),
        (rb'"\uD83D\n"', "�\n"),
    ],
)
def test_half_a_surrogate_pair_is_replaced(raw, text):
    """And nothing else: whole pairs stay, and so does a backslash before a u."""
    assert orjson.loads(replace_lone_surrogates(raw)) == text


def test_an_event_with_half_a_pair_is_read_and_says_so():
    """Its identity is that of the bytes received."""
    raw = rb'{"event_name":"E","plan":"caf\ud83d"}'
    event = read_event("1-0", raw)
    assert (event.name, event.payload["plan"], event.repaired) == ("E", "caf�", True)
    assert event.key == read_event("1-0", raw).key != read_event("1-0", event.raw).key
    assert not read_event("1-0", b'{"event_name":"E"}').repaired


def test_what_is_no_json_stays_none():
    """A replacement is no licence."""
    for raw in (rb'{"plan":"\ud83d}', b"{", b'{"a":NaN}', b"[]", b'{"a":"\xed\xa0\xbd"}'):
        with pytest.raises(ValueError, match=r"."):
            read_object(raw)


def test_long_numbers_survive_the_way_in_and_out():
    """At any depth."""
    raw = b'{"a":123456789012345678901,"b":{"c":[98765432109876543210987]}}'
    assert write_object(read_object(raw)) == raw
