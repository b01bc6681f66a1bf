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


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400, "9" * 5000, "1.5E+400"])
def test_a_number_that_no_machine_holds_is_read_as_text(number):
    """It was a dead letter that blamed a stranger who writes to Redis; what only looks like one stays as it is."""
    event = read_event(
        "1-0", b'{"event_name":"E","a":[%b,{"b":%b}],"c":"\\"1e999, 1e999","d":1e308,"e":-0}' % ((number.encode(),) * 2)
    )
    assert event.payload["a"] == [number, {"b": number}]
    assert (event.payload["c"], event.payload["d"], event.repaired) == ('"1e999, 1e999', 1e308, True)
    assert orjson.loads(event.raw) == event.payload


def test_what_is_no_json_stays_none():
    """A replacement is no licence."""
    numbers = (
        b"+1e999",
        b"01e999",
        b"0" + b"1" * 400,
        b".1e999",
        b"1.e999",
        b"--1e999",
        b"1e999x",
        b"1e9991.1",
        b"-Infinity",
    )
    none = (rb'{"plan":"\ud83d}', b"{", b'{"a":NaN}', b"[]", b'{"a":"\xed\xa0\xbd"}', b"{1e999:1}", b'{"a":1e999,"b}')
    for raw in (*none, *(b'{"a":%b}' % number for number in numbers)):
        with pytest.raises(ValueError, match=r"."):
            read_object(raw)


def test_long_numbers_survive_the_way_in_and_out():
    """At any depth."""
    raw = b'{"a":123456789012345678901,"b":{"c":[98765432109876543210987]}}'
    assert write_object(read_object(raw)) == raw
