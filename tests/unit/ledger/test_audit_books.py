"""The arithmetic of the audit."""

import msgspec
import pytest

from worker.ledger.audit import Books, differences

SOUND = Books(
    integration="production",
    source="app",
    shard=3,
    accepted=10,
    delivered=4,
    filtered=3,
    dead=1,
    waiting=2,
    timed=4,
    position=8,
    added=10,
    read=8,
    lag=2,
    length=10,
    letters=1,
    by_time=1,
    by_cause=1,
)


def test_sound_books_have_no_difference():
    """Accepted is the sum of all ends, and Redis counts the same."""
    assert differences(SOUND) == []


def test_what_redis_does_not_know_is_no_difference():
    """After a deletion Redis cannot count for a while; the ledger can."""
    assert differences(msgspec.structs.replace(SOUND, read=-1, lag=-1)) == []


def test_replays_have_no_delivery_time():
    """More deliveries than times is what a replayed dead letter leaves."""
    assert differences(msgspec.structs.replace(SOUND, timed=3)) == []


def test_letters_about_properties_are_no_dead_events():
    """They are kept beside the sum, and counted by themselves."""
    letters = {"properties": 2, "letters": 3, "by_time": 3, "by_cause": 3}
    assert differences(msgspec.structs.replace(SOUND, **letters)) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"delivered": 3, "timed": 3}, "1 unaccounted for"),
        ({"filtered": 5}, "2 counted twice"),
        ({"length": 1}, "1 waiting events are no longer in the stream: lost"),
        ({"read": 7}, "the ledger is at 8 events, Redis's group at 7"),
        ({"lag": 5}, "2 events wait by the ledger, 5 by Redis"),
        ({"letters": 2, "by_time": 2, "by_cause": 2}, "1 dead by the ledger, 2 dead letters are kept"),
        ({"properties": 1}, "1 dead and 1 with refused properties by the ledger, 1 dead letters are kept"),
        ({"by_time": 0}, "1 dead letters are kept, 0 are listed by time"),
        ({"by_cause": 3}, "1 dead letters are kept, 3 are listed by cause"),
        ({"timed": 5}, "4 delivered, 5 with a delivery time"),
    ],
)
def test_each_difference_is_named(changed, message):
    """Whatever does not add up is found, alone and in words."""
    (found,) = differences(msgspec.structs.replace(SOUND, **changed))
    assert message in found
