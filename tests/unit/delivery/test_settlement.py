"""What a settle writes: counts by reason, the histogram, dead letters with what was sent."""

from config.integrations import default_identity
from tests.support.fakes import LANE, raw_event
from worker.customerio.answer import Answer
from worker.customerio.sender import Attempt
from worker.dead.letter import decode_letter
from worker.delivery.judging import Request
from worker.delivery.request import Waiting
from worker.delivery.settlement import Settler, latency_counts
from worker.mapping.decision import Composed
from worker.mapping.operation import Operation
from worker.mapping.outcome import Dead, Filtered


def test_each_outcome_is_counted_once():
    """Delivered, filtered by reason; a dead letter is counted by the script that writes it."""
    run = [Waiting(f"{n}-0", raw_event("E", n)) for n in range(4)]
    dead = Dead("rejected", "send", "name", 207, "bad")
    outcomes = [None, Filtered("event_off"), dead, Filtered("event_off")]
    attempts = [Attempt(1, 207, "", 3)]
    operations = [Operation("event", b'{"a":1}', 0), Operation("event", b'{"b":1}', 2)]
    request = Request(4, Composed(operations, outcomes, {}), Answer(207), attempts)
    counts, (burial,), _ = Settler(LANE, "r1", 1, default_identity()).write(run, request)
    assert counts.pop("late_ms_sum") > 1_000_000_000_000
    assert counts == {"delivered": 1, "late_ms:inf": 1, "filtered:event_off": 2}
    letter = decode_letter(burial.record)
    assert (letter.operations, letter.revision, letter.event_id, len(letter.attempts)) == (['{"b":1}'], "r1", "E-2", 1)


def test_an_event_that_was_not_sent_keeps_no_attempts():
    """The request's attempts are its neighbours'."""
    request = Request(1, Composed([], [Dead("no_person", "map")], {}), Answer(200), [Attempt(1, 200, "", 3)])
    _, (burial,), _ = Settler(LANE, "r1", 1, default_identity()).write([Waiting("1-0", b"\xff")], request)
    letter = decode_letter(burial.record)
    assert (letter.attempts, letter.raw_base64, letter.event_id) == ([], "/w==", "")


def test_the_histogram_has_every_delivery():
    """Also when the first and the last fall into different bounds."""
    assert latency_counts(["1000-0", "1500-0", "1999-0"], 2000) == {
        "delivered": 3,
        "late_ms:1000": 1,
        "late_ms:500": 1,
        "late_ms:5": 1,
        "late_ms_sum": 1501,
    }
    assert latency_counts([], 1) == {}
