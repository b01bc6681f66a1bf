"""The search for poison, by itself: caution after deaths, halving, witnesses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes import integration, raw_event
from worker.delivery.poison import Caution, Search, witnesses
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Filtered
from worker.purchasely.event import read_event
from worker.store.taken import Taken

ENTRIES = [(f"{n}-0", b"{}") for n in range(1, 4)]


def taken(deaths=0, alone="", mapping=0, sending=0, until="3-0", entries=None):
    return Taken("0-0", deaths, until, alone, mapping, sending, ENTRIES if entries is None else entries)


@pytest.mark.parametrize(("deaths", "events"), [(0, 0), (1, 50), (2, 5), (3, 1), (9, 1)])
def test_each_death_makes_the_batches_smaller(deaths, events):
    """50, then 5, then single events."""
    assert Caution(taken(deaths)).events == events


def test_caution_lasts_until_the_batch_is_passed():
    """It ends at the last entry of the batch that an earlier holder crashed in, in the stream's order."""
    caution = Caution(taken(1, until="10-0"))
    assert [caution.is_past(cursor) for cursor in ("9-99", "10-0", "11-0")] == [False, True, True]
    caution.end()
    assert (caution.events, caution.alone) == (0, False)


@pytest.mark.parametrize(
    ("facts", "dead"),
    [
        ({"deaths": 3, "alone": "1-0", "mapping": 1}, False),
        ({"deaths": 4, "alone": "1-0", "mapping": 2}, True),
        ({"deaths": 4, "alone": "2-0", "mapping": 2}, False),
        ({"deaths": 9, "alone": "1-0", "sending": 7}, False),
        ({"deaths": 10, "alone": "1-0", "sending": 8}, True),
        ({"deaths": 4, "alone": "1-0", "mapping": 2, "entries": []}, False),
    ],
)
def test_the_first_event_is_poison_after_enough_deaths_alone(facts, dead):
    """Two while it was mapped, eight while it was sent, and only if it is the one that was tried."""
    found = Caution(taken(**facts)).poison(lambda _: [])
    assert (found is not None and found.reason == "crashed_worker") is dead


@given(st.integers(1, 500), st.data())
def test_halving_finds_the_one(events, data):
    """Whatever its place: log2 requests that are refused, and it ends alone."""
    poison = data.draw(st.integers(0, events - 1))
    search, at, refused = Search(), 0, 0
    while True:
        size = search.bound(events - at)
        if not at <= poison < at + size:
            search.settled(size, found=False)
            at += size
        elif size == 1:
            search.settled(1, found=True)
            break
        else:
            refused += 1
            search.split(size)
    assert at == poison
    assert refused <= events.bit_length()
    assert search.events == 0


def test_witnesses_are_first_events_of_three_other_people_from_all_of_the_queue():
    """Not of the person whose event failed, nor events that are not sent."""
    mapper = Mapper(integration())
    people = ["ada", "ada", "bob", "bob", "cy", "di", "eve"]
    sent = [
        mapper.decide(read_event(f"{n}-0", raw_event("E", n, person)), 1_760_000_000_000)
        for n, person in enumerate(people)
    ]
    assert witnesses([sent[0], Filtered("event_off"), *sent[1:]]) == [sent[2], sent[5], sent[6]]
    assert witnesses(sent, sent[4].who.digest) == [sent[4]], "who was served a moment ago is asked about again"
    assert witnesses([sent[0], Filtered("event_off"), *sent[1:6]]) == [sent[2], sent[4], sent[5]]
