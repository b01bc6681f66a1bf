"""An event refused as a whole together with what it says of its person: which of both it was is found out."""

import pytest

from tests.support.fakes import Bench, MemoryCustomerio, raw_event
from worker.customerio.answer import Answer


def test_a_whole_refusal_that_is_about_the_person_leaves_the_event_delivered():
    """Customer.io answers 400 to event and identify, and takes the event by itself: the properties are the letter."""
    bench = Bench([raw_event("E", 1)], api=MemoryCustomerio(refused={"identify"}))
    assert bench.run() == "empty"
    assert bench.api.events == ["E-1"]
    assert bench.shelf.dead_events() == [("E-1", "properties_rejected")]
    assert [letter["status"] for letter in bench.shelf.dead.values()] == [400]
    assert bench.shelf.books() == {"delivered": 1, "properties": 1, "position": 1}


def test_an_error_that_names_no_item_is_parted_too():
    """A 207 whose error has no position says no more than a 400."""
    bench = Bench([raw_event("E", 1)], api=MemoryCustomerio(nameless={"identify"}))
    assert bench.run() == "empty"
    assert bench.api.events == ["E-1"]
    assert bench.shelf.dead_events() == [("E-1", "properties_rejected")]


def test_an_event_that_is_refused_by_itself_too_is_the_letter():
    """One more request, and the outcome is what it was."""
    bench = Bench([raw_event("E", 1)], api=MemoryCustomerio(refused={"E"}))
    assert bench.run() == "empty"
    assert bench.api.requests == [["E"], ["E"]]
    assert bench.shelf.dead_events() == [("E-1", "rejected")]
    assert bench.shelf.books() == {"dead": 1, "position": 1}


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_at_the_event_by_itself_leaves_the_first_answer(status):
    """Or an event that is refused with its person and fails without would be before all others for good."""
    bench = Bench([raw_event("E", 1)])
    bench.api.answers = [Answer(400, "no"), Answer(status)]
    assert bench.run() == "empty"
    assert bench.shelf.dead_events() == [("E-1", "rejected")]


@pytest.mark.parametrize("status", [0, 401, 429])
def test_no_word_on_the_event_by_itself_holds_and_buries_nothing(status):
    """The key, a limit or a timeout says nothing of it: the integration is held, and the event comes again."""
    bench = Bench([raw_event("E", 1)])
    bench.api.answers = [Answer(400, "no"), Answer(status)]
    assert bench.run() == "held"
    assert (bench.shelf.dead_events(), len(bench.shelf.waiting()), len(bench.holds)) == ([], 1, 1)
