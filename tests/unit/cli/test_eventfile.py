"""The events of a file."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cli.eventfile import chunks, read_events

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=6), VALUES, max_size=4), max_size=6)


def read(text):
    return [json.loads(event) for event in read_events(io.BytesIO(text.encode("utf-8", "surrogatepass")))]


@given(OBJECTS)
def test_every_form_holds_the_same_events(objects):
    """One a line, an array on one line, an array over many lines: the same events, none with a line break."""
    expected = json.loads(json.dumps(objects))
    assert read("\n".join(json.dumps(one) for one in objects)) == expected
    assert read(json.dumps(objects)) == expected
    assert read(json.dumps(objects, indent=2)) == expected
    assert all(b"\n" not in event for event in read_events(io.BytesIO(json.dumps(objects, indent=2).encode())))


def test_one_object_over_many_lines_is_one_event():
    """A sample copied from the documentation can be sent as it is."""
    assert read('{\n  "event_name": "ACTIVATE"\n}\n') == [{"event_name": "ACTIVATE"}]


def test_a_line_is_sent_as_its_bytes():
    """Without an event_id the bytes are the identity: they are not encoded again."""
    assert list(read_events(io.BytesIO(b' {"a":  1.0} \n'))) == [b'{"a":  1.0}']


def test_blank_lines_and_a_byte_order_mark_are_no_events():
    """What editors and shells leave behind does no harm."""
    assert read('\ufeff\n\n{"a": 1}\n\n{"b": 2}\n\n') == [{"a": 1}, {"b": 2}]


def test_an_empty_file_has_no_events():
    """Nothing is not an error."""
    assert read("") == read("\n \n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"b": \n', "line 2 is not JSON"),
        ('{"a": 1}\n7\n', "line 2 is no JSON object"),
        ("7\n", "line 1 is no JSON object"),
        ('[{"a": 1}, 2]', "item 2 is no JSON object"),
        ("event\n", "line 1 begins neither"),
        ('\n\n{"a":\n', "line 3 begins neither"),
        ("[1]\n[2]\n", "line 1 begins neither"),
    ],
)
def test_what_is_no_event_is_named_with_its_place(text, message):
    """The reader finds the line."""
    with pytest.raises(ValueError, match=message):
        read(text)


@given(st.lists(st.binary(min_size=1, max_size=20)), st.integers(1, 5), st.integers(1, 60))
def test_chunks_keep_order_and_bounds(events, most, most_bytes):
    """Nothing is left out or moved, and no chunk is over a bound unless one event alone is."""
    made = list(chunks(events, most, most_bytes))
    assert [event for chunk in made for event in chunk] == events
    for chunk in made:
        assert 1 <= len(chunk) <= most
        assert len(chunk) == 1 or sum(len(event) + 1 for event in chunk) <= most_bytes
