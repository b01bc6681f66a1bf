"""What is kept of an event that could not be delivered."""

import pytest

from tests.support.deadletter import ENTRY, REFUSED, letter
from tests.support.deadstack import event
from worker.customerio.sender import Attempt
from worker.dead.burying import bury_again
from worker.dead.letter import decode_letter, encode_letter, event_of, raw_of, split_id
from worker.mapping.outcome import Dead


def test_a_letter_is_the_same_after_it_was_stored():
    """Nothing is lost between the record and the letter."""
    one = letter()
    assert decode_letter(encode_letter(one)) == one
    assert (one.id, one.reason, one.event, one.person) == (
        f"production.2.{ENTRY}",
        "rejected",
        "SUBSCRIPTION_RENEWED",
        "user-1",
    )


def test_a_letter_of_a_former_release_is_read():
    """Records and exports that have `died_ms` are read; an event that has a field of that name keeps it."""
    one = letter(b'{"event_name":"ACTIVATE","died_ms":1}')
    former = (
        encode_letter(one).replace(b'"failed_ms":', b'"died_ms":').replace(b'"first_failed_ms":', b'"first_died_ms":')
    )
    assert former != encode_letter(one)
    assert decode_letter(former) == one


@pytest.mark.parametrize(
    "raw", [b"\xff\x00 not text", b"not json", b'{"event_name":"A\\u00e9"}', '{"name":"é"}'.encode()]
)
def test_the_bytes_received_are_kept_as_they_were(raw):
    """Text or not, JSON or not: what comes out is what came in."""
    assert raw_of(decode_letter(encode_letter(letter(raw)))) == raw


def test_a_second_failure_is_added_to_the_first():
    """After a replay that failed the letter has its new cause, the old and new attempts, and when it failed first."""
    first = letter(attempts=[{"at_ms": 1, "status": 207, "message": "no", "took_ms": 3}])
    dead = Dead("too_large", "map", "plan", 0, "plan is 40000 bytes")
    again = bury_again(first, dead, [], [Attempt(5, 400, "still no", 4)], "ffff", 9_999)
    second = decode_letter(again.record)
    assert again.letter_id == first.id
    assert again.cause == second.cause != first.cause
    assert (second.replays, second.first_failed_ms, second.failed_ms) == (1, first.failed_ms, 9_999)
    assert (second.reason, second.field, second.status, second.message) == (
        "too_large",
        "plan",
        0,
        "plan is 40000 bytes",
    )
    assert [attempt["at_ms"] for attempt in second.attempts] == [1, 5]


def test_a_letter_does_not_grow_with_its_failures():
    """However often it is replayed, the newest attempts are kept and the others dropped."""
    one = letter()
    for at_ms in range(50):
        one = decode_letter(bury_again(one, REFUSED, [], [Attempt(at_ms, 400, "no", 1)], "ffff", at_ms).record)
    assert [attempt["at_ms"] for attempt in one.attempts] == list(range(30, 50))
    assert one.replays == 50


def test_an_event_of_a_letter_that_was_never_edited_is_the_event():
    """A replay of it has the key, and so the ULID, of the first try."""
    found = event_of(letter(event(1)))
    assert (found.key, found.ulid, found.entry_id) == ("event-1-SUBSCRIPTION_RENEWED", "", ENTRY)


@pytest.mark.parametrize("text", ["", "x", "a.b", "a.b.c", "production.x.1-0", "production.3.", ".3.1-0", "a.1.1-x"])
def test_what_is_no_id_is_refused(text):
    """An id that cannot be read is an error, not a letter that is not there."""
    with pytest.raises(ValueError, match="is no id"):
        split_id(text)


def test_a_record_of_something_else_is_refused():
    """Bytes that are no letter are an error that says what is missing."""
    with pytest.raises(ValueError, match="missing required field"):
        decode_letter(b'{"id":"production.1.1-0"}')
