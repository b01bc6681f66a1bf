"""Edits of a dead letter's event."""

import orjson
import pytest

from tests.support.deadletter import letter
from tests.support.deadstack import event
from tests.support.fakes import integration
from worker.dead.edits import edit, home, read_changes
from worker.dead.fields import put, take_out
from worker.dead.letter import decode_letter, encode_letter, event_of, raw_of, received_of
from worker.mapping.decision import Send
from worker.mapping.mapper import Mapper
from worker.purchasely.person import shard_of


def ulid_sent(one):
    """The ULID that a replay of the letter would carry."""
    decision = Mapper(integration()).decide(event_of(one), 1_760_000_000_000)
    assert isinstance(decision, Send)
    return orjson.loads(decision.body)["id"]


def edited(one, new_identity=False, **fields):
    """The letter with fields of its event replaced, stored and read again."""
    payload = {**orjson.loads(raw_of(one)), **fields}
    after = edit(one, orjson.dumps(payload), "me", 77, new_identity=new_identity)
    return decode_letter(encode_letter(after))


def test_an_edit_keeps_the_original_and_says_so():
    """The bytes received stay, through any number of edits, with who changed what."""
    before = letter()
    after = edited(edited(before, plan="yearly"), store="x", plan=3)
    assert received_of(after) == raw_of(before)
    assert orjson.loads(raw_of(after)) == {**event(1), "plan": 3, "store": "x"}
    assert [(e.by, e.at_ms, e.paths) for e in after.edits] == [("me", 77, ["plan"]), ("me", 77, ["plan", "store"])]


@pytest.mark.parametrize(
    "fields",
    [{"plan": "yearly"}, {"event_created_at_ms": 1_760_000_500_000}, {"event_id": "other"}, {"event_id": None}],
)
def test_an_edited_event_keeps_its_ulid(fields):
    """Whatever is edited, Customer.io ignores it if it took the original after all."""
    assert ulid_sent(edited(letter(), **fields)) == ulid_sent(letter())


def test_an_event_without_an_id_keeps_the_ulid_of_its_bytes():
    """The identity of such an event is a hash of what was received, not of what it was edited to."""
    before = letter(event(1, event_id=None))
    assert ulid_sent(edited(before, plan="yearly")) == ulid_sent(before)


def test_an_event_whose_time_was_useless_gets_one_with_the_edit():
    """It can never have been sent: its key stays, and the time that was written in decides."""
    before = letter(event(1, event_created_at_ms=12))
    after = edited(before, event_created_at_ms=event(1)["event_created_at_ms"])
    assert ulid_sent(after) == ulid_sent(letter())
    assert after.event_time_ms == event(1)["event_created_at_ms"]


def test_a_new_identity_is_another_event():
    """On request the edited event has the ULID that its own fields make."""
    after = edited(letter(), new_identity=True, event_id="other")
    assert ulid_sent(after) == ulid_sent(letter({**event(1), "event_id": "other"})) != ulid_sent(letter())


def test_text_that_was_no_event_becomes_one():
    """Bytes that could not be read are kept, and the event written in their place has its own identity."""
    after = decode_letter(encode_letter(edit(letter(b"\xff{"), orjson.dumps(event(1)), "me", 77)))
    assert received_of(after) == b"\xff{"
    assert after.edits[0].paths == ["*"]
    assert ulid_sent(after) == ulid_sent(letter())


def test_an_edit_to_something_else_than_an_event_is_refused():
    """What is no JSON object is never written."""
    for raw in (b"[]", b"{", b'"x"'):
        with pytest.raises(ValueError, match=r".+"):
            edit(letter(), raw, "me", 77)


def test_a_letter_belongs_to_the_shard_of_its_person():
    """An edit that names another person moves it; one that names nobody leaves it where it is."""
    assert home(edited(letter(), user_id="someone"), 16) == shard_of("someone", 16)
    assert home(edited(letter(), user_id=None), 16) == letter().shard


def test_fields_are_set_and_removed_by_path():
    """Objects on the way are made, places in lists must be there."""
    payload = {"a": {"b": 1}, "list": [{"x": 1}, 2]}
    put(payload, "a.c.d", 5)
    put(payload, "list.0.x", None)
    put(payload, "new", [])
    take_out(payload, "a.b")
    take_out(payload, "list.1")
    assert payload == {"a": {"c": {"d": 5}}, "list": [{"x": None}], "new": []}
    for path in ("list.7", "list.x", "a.b.c", "new.0.x"):
        with pytest.raises(ValueError, match="there is no"):
            take_out(payload, path)
    with pytest.raises(ValueError, match="there is no"):
        put(payload, "list.7.x", 1)


@pytest.mark.parametrize(
    ("fields", "typed", "after"),
    [
        ({"at": 1_760_000_000}, {"seconds": ["at"]}, {"at": 1_760_000_000_000}),
        ({"at": 1_760_000_000.25}, {"seconds": ["at"]}, {"at": 1_760_000_000_250}),
        ({"at": " 1760000000 "}, {"seconds": ["at"]}, {"at": 1_760_000_000_000}),
        ({"customer": {"id": 7}}, {"copies": ["user_id=customer.id"]}, {"customer": {"id": 7}, "user_id": 7}),
        ({"names": ["a", "b"]}, {"copies": ["event_name=names.1"]}, {"names": ["a", "b"], "event_name": "b"}),
    ],
)
def test_a_value_comes_from_the_event_itself(fields, typed, after):
    """Many letters are corrected alike though each has another value; the same once more changes nothing."""
    before, wanted = letter(event(1, **fields)), read_changes([], [], **typed)
    raw = wanted.apply(before)
    assert orjson.loads(raw) == {**event(1), **after}
    assert wanted.apply(letter(raw)) is None


@pytest.mark.parametrize("typed", [{"seconds": ["plan"]}, {"seconds": ["no.such"]}, {"copies": ["user_id=no.such"]}])
def test_a_value_that_the_event_has_not_is_refused(typed):
    """A letter that a change does not fit is left alone, and counted as such."""
    with pytest.raises(ValueError, match=r"there is no|no number"):
        read_changes([], [], **typed).apply(letter())


@pytest.mark.parametrize("text", ["user_id", "=other", "user_id="])
def test_a_copy_names_two_fields(text):
    """What is typed wrongly is said before anything is read."""
    with pytest.raises(ValueError, match="--copy takes PATH=OTHER"):
        read_changes([], [], [text])
