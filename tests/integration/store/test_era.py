"""Eras of a stream: what a web door finds missing on a server, counted once."""

import itertools

from worker.store.scripts import script

_NAMES = itertools.count()


class Place:
    """A stream on a server of its own, as a door compares it."""

    def __init__(self, client, server, taken=0):
        self._client, self._server = client, server
        self.taken = 0
        self.take(taken)

    def take(self, events):
        """So many events come."""
        for _ in range(events):
            self._client.xadd(self._key("events"), {"b": "x"})
        self._client.hincrby(self._key("intake"), "accepted", events)

    def compare(self, known, height, left="", name="", before=""):
        """The era, the height, and how many events are missed and were not counted yet."""
        keys = [self._key(kind) for kind in ("era", "intake", "events")]
        new = f"era-{next(_NAMES)}"
        server = name or self._server
        era, height, lost, _ = self._client.eval(
            script("era"), 3, *keys, server, new, known, height, "0", "", left, before
        )
        return era.decode(), height, lost

    def bring_back(self, events):
        """So many events come again from a door's memory."""
        self.take(events)
        for field in ("restored", "returned"):
            self._client.hincrby(self._key("intake"), field, events)

    def _key(self, kind):
        return f"relay:{{0}}:{kind}:{self._server}"


def test_what_is_missing_on_the_next_server_is_counted_once(redis_client):
    """However many doors knew of it, and whatever came there since."""
    first, second = Place(redis_client, "first", 100), Place(redis_client, "second", 90)
    era, height, lost = first.compare("", 0)
    assert (height, lost) == (100, 0)
    now, height, lost = second.compare(era, 100)
    assert (height, lost) == (100, 10)
    second.take(50)
    assert second.compare(era, 100)[1:] == (150, 0)
    assert second.compare(now, 150)[1:] == (150, 0)


def test_a_server_that_was_left_and_is_met_again_lacks_what_came_elsewhere(redis_client):
    """Not what it took itself before: the door was there then."""
    first, second = Place(redis_client, "first", 100), Place(redis_client, "second", 100)
    era, _, _ = first.compare("", 0)
    first.take(10)
    now, height, lost = second.compare(era, 110)
    assert (height, lost) == (110, 10)
    second.take(5)
    assert first.compare(now, 115, left=era) == (era, 115, 5)
    assert first.compare(now, 115, left=era) == (era, 115, 0)


def test_a_server_that_a_replica_came_to_is_the_same(redis_client):
    """A door that has yet to see its new name goes on as before: what it appends meanwhile was counted as lost."""
    place = Place(redis_client, "server", 100)
    era, _, _ = place.compare("", 0)
    assert place.compare(era, 100, name="renamed", before="older server") == (era, 100, 0)
    place.take(20)
    assert place.compare(era, 120, name="renamed", before="server") == (era, 120, 0)
    assert place.compare(era, 120, name="another", before="server")[0] != era


def test_what_comes_back_was_lost(redis_client):
    """Whatever the heights said: of ten events six were another door's, and under way for all that this one knew."""
    first, second = Place(redis_client, "first", 100), Place(redis_client, "second", 90)
    era, _, _ = first.compare("", 0)
    now, height, lost = second.compare(era, 94)
    assert (height, lost) == (94, 4)
    second.bring_back(3)
    assert second.compare(now, 94)[1:] == (94, 0)
    second.bring_back(7)
    assert second.compare(now, 94)[1:] == (100, 6)
    assert second.compare(era, 100)[1:] == (100, 0)
