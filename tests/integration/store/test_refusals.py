"""Refused requests of senders: of the hour, added up over all processes."""

from worker.store.refusals import RefusalCounts, Refusals, Refused

NOW_S = 1_760_000_000.0
HOUR_S = 3_600


def test_what_was_refused_is_added_up_for_an_hour(redis_client):
    """Whichever process refused it; after an hour it is gone, from Redis too."""
    one, other = Refusals(redis_client), Refusals(redis_client)
    one.add({("app", 401): 2, ("", 404): 1}, NOW_S - HOUR_S / 2)
    other.add({("app", 401): 3}, NOW_S)
    other.add({}, NOW_S)
    assert one.of_last_hour(NOW_S) == [Refused("app", 401, 5), Refused("", 404, 1)]
    assert one.of_last_hour(NOW_S + HOUR_S * 2) == []
    assert all(0 < redis_client.ttl(key) <= HOUR_S + 600 for key in redis_client.keys("relay:*"))


def test_what_could_not_be_handed_on_is_not_lost():
    """It is counted with the next."""
    counts = RefusalCounts()
    counts.add("app", 401)
    taken = counts.take()
    counts.add("app", 401)
    counts.give(taken)
    assert (counts.take(), counts.take()) == ({("app", 401): 2}, {})
