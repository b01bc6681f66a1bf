"""What a lane's streams promise: the real scripts and the ones that the tests of delivery use pass the same tests."""

from collections import Counter

import orjson
import pytest

from tests.support.fakes import MemoryShelf
from worker.errors import LeaseLostError
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.scripts import script
from worker.store.settling import Burial, Settlement
from worker.store.stream import Streams
from worker.store.taken import Taken

LANE = Lane("app", "production", 3)
PERSON = person_key(3, "production", "abc")


class RealShelf(Streams):
    """The real one, with what a test looks at under the names that it has in memory."""

    def __init__(self, client):
        super().__init__(client, 60_000, 3600, 60_000)
        self.join(LANE, "now")

    def append(self, *raws):
        return [self._redis.xadd(LANE.key("events"), {"b": raw}).decode() for raw in raws]

    def expire(self):
        self._redis.delete(LANE.key("lease"))

    def set_held(self):
        self._redis.set(LANE.key("hold"), "1")

    def _hash(self, kind):
        return {name.decode(): value.decode() for name, value in self._redis.hgetall(LANE.key(kind)).items()}

    @property
    def flight(self):
        counts = {"deaths", "mapping", "sending", "refusals", "step"}
        return {name: int(value) if name in counts else value for name, value in self._flight("")}

    @property
    def gone(self):
        return {name: tuple(value.split(" ")[1:]) for name, value in self._flight("gone:")}

    def _flight(self, prefix):
        rows = self._hash("flight").items()
        return [(name.removeprefix("gone:"), value) for name, value in rows if name.startswith("gone:") == bool(prefix)]

    def survive(self, token):
        self._redis.register_script(script("survive"))(keys=[LANE.key("lease"), LANE.key("flight")], args=[token])

    @property
    def ledger(self):
        return Counter({name: int(value) for name, value in self._hash("ledger").items()})

    @property
    def dead(self):
        return {name: orjson.loads(record) for name, record in self._hash("dead").items()}

    @property
    def cursor(self):
        return self._redis.xinfo_groups(LANE.key("events"))[0]["last-delivered-id"].decode()

    @property
    def lease(self):
        return (self._redis.get(LANE.key("lease")) or b"").decode()

    @property
    def woken(self):
        return bool(self._redis.exists(LANE.key("wake")))


class Remembered(MemoryShelf):
    """The one in memory."""

    def set_held(self):
        self.held = True


@pytest.fixture(params=["memory", "redis"])
def shelf(request):
    """Each of the two."""
    return Remembered() if request.param == "memory" else RealShelf(request.getfixturevalue("redis_client"))


def raws(count):
    return [b'{"n":%d}' % n for n in range(count)]


def burial(entry_id, cause="c1"):
    record = b'{"cause":"%b"}' % cause.encode()
    return Burial(f"production.3.{entry_id}", cause, b'{"reason":"rejected"}', 1_760_000_000_000, record)


def settle(shelf, token, step, cursor, events, *, more=0, **facts):
    counts = facts.pop("counts", {"delivered": events})
    done = Settlement(cursor, events, counts, facts.pop("people", {}), **facts)
    return shelf.settle(LANE, token, step, done, more, cursor)


def state(shelf):
    """All that a test looks at."""
    return (
        shelf.cursor,
        shelf.lease,
        shelf.flight,
        shelf.gone,
        +shelf.ledger,
        shelf.dead,
        shelf.states([PERSON]),
        shelf.woken,
    )


def test_a_take_reads_what_waits_behind_the_cursor(shelf):
    """Up to the number that was asked for; taking again with the same token is the same take."""
    ids = shelf.append(*raws(5))
    taken = shelf.take(LANE, "one", 3)
    assert taken == Taken("0-0", 0, "", "", 0, 0, list(zip(ids[:3], raws(3), strict=True)))
    assert shelf.take(LANE, "one", 3) == taken
    assert (shelf.lease, shelf.flight, shelf.woken) == ("one", {"token": "one"}, False)


def test_a_lane_has_one_holder(shelf):
    """The second finds it busy, and changes nothing."""
    shelf.append(*raws(2))
    shelf.take(LANE, "one", 3)
    before = state(shelf)
    assert shelf.take(LANE, "two", 3) == "busy"
    assert state(shelf) == before


def test_a_held_lane_is_left_to_probes(shelf):
    """And its wake mark goes with the message that found it held."""
    shelf.append(*raws(2))
    shelf.take(LANE, "one", 1)
    assert shelf.release(LANE, "one", "0-0", keep=False) == "more"
    assert shelf.woken
    shelf.set_held()
    assert shelf.take(LANE, "two", 3) == "held"
    assert not shelf.woken
    assert isinstance(shelf.take(LANE, "two", 3, probe=True), Taken)


def test_holders_that_vanish_make_the_batches_smaller(shelf):
    """50, then 5, then 1; the end of the caution stays that of the first batch."""
    ids = shelf.append(*raws(100))
    seen = []
    for n in range(5):
        taken = shelf.take(LANE, f"holder-{n}", 80)
        seen.append((taken.deaths, len(taken.entries), taken.until))
        shelf.expire()
    assert seen == [(0, 80, ""), *((n, size, ids[79]) for n, size in enumerate((50, 5, 1, 1), 1))]


def test_deaths_are_counted_by_the_phase_of_the_event_tried_alone(shelf):
    """From the start again for another event."""
    ids = shelf.append(*raws(3))
    seen = []
    for n, (place, phase) in enumerate([(0, "mapping"), (0, "sending"), (1, "mapping"), (1, "mapping")]):
        taken = shelf.take(LANE, f"holder-{n}", 3)
        seen.append((taken.alone, taken.mapping, taken.sending))
        shelf.caution(LANE, f"holder-{n}", ids[place], phase)
        shelf.expire()
    taken = shelf.take(LANE, "last", 3)
    seen.append((taken.alone, taken.mapping, taken.sending))
    assert seen == [("", 0, 0), (ids[0], 1, 0), (ids[0], 1, 1), (ids[1], 1, 0), (ids[1], 2, 0)]


def test_a_settle_moves_everything_together(shelf):
    """Cursor, counts, states, dead letters; and it reads what is behind."""
    ids = shelf.append(*raws(5))
    shelf.take(LANE, "one", 5)
    counts = {"delivered": 2, "filtered:event_off": 1}
    following = settle(
        shelf, "one", 1, ids[3], 4, more=9, counts=counts, people={PERSON: b"s"}, burials=[burial(ids[2])]
    )
    assert following.entries == [(ids[4], raws(5)[4])]
    assert +shelf.ledger == {"position": 4, "dead": 1, **counts}
    assert (shelf.cursor, shelf.states([PERSON, PERSON + "x"])) == (ids[3], [b"s", None])
    assert shelf.dead == {f"production.3.{ids[2]}": {"cause": "c1"}}


def test_a_settle_reads_states_that_are_asked_for_meanwhile(shelf):
    """As they are after it."""
    ids = shelf.append(*raws(1))
    shelf.take(LANE, "one", 5)
    done = Settlement(ids[0], 1, {}, {PERSON: b"new"})
    assert shelf.settle(LANE, "one", 1, done, 0, ids[0], lambda: [PERSON]).states == {PERSON: b"new"}


def test_a_step_that_is_repeated_counts_once(shelf):
    """Its answer was lost: it changes nothing more and reads the same."""
    ids = shelf.append(*raws(5))
    shelf.take(LANE, "one", 5)
    facts = {"more": 9, "counts": {"delivered": 1}, "burials": [burial(ids[0])]}
    first = settle(shelf, "one", 1, ids[1], 2, **facts)
    before = state(shelf)
    assert settle(shelf, "one", 1, ids[1], 2, **facts) == first
    assert state(shelf) == before


def test_who_has_lost_the_lease_changes_nothing(shelf):
    """Neither by a settle nor by a note, a renewal or a release."""
    ids = shelf.append(*raws(2))
    shelf.take(LANE, "one", 2)
    shelf.expire()
    shelf.take(LANE, "two", 2)
    before = state(shelf)
    with pytest.raises(LeaseLostError):
        settle(shelf, "one", 1, ids[0], 1, people={PERSON: b"old"})
    with pytest.raises(LeaseLostError):
        shelf.caution(LANE, "one", ids[0], "mapping")
    with pytest.raises(LeaseLostError):
        shelf.refused(LANE, "one", ids[0])
    assert shelf.release(LANE, "one", ids[0], keep=False) == "lost"
    assert (shelf.renew(LANE, "one"), shelf.renew(LANE, "two")) == (False, True)
    assert state(shelf) == before


def test_the_caution_ends_with_the_settle_that_passes_it(shelf):
    """One before keeps it."""
    ids = shelf.append(*raws(10))
    shelf.take(LANE, "vanished", 5)
    shelf.expire()
    shelf.take(LANE, "one", 5)
    shelf.caution(LANE, "one", ids[0], "mapping")
    settle(shelf, "one", 1, ids[1], 2, calm=False)
    kept = {"token": "one", "deaths": 1, "until": ids[4], "alone": ids[0], "phase": "mapping", "step": 1}
    assert shelf.flight == kept
    settle(shelf, "one", 2, ids[4], 3, calm=True)
    assert shelf.flight == {"token": "one", "step": 2}


def test_an_event_that_fails_again_is_one_dead_letter(shelf):
    """It was accepted twice: the books begin one later, and the letter has its last cause."""
    ids = shelf.append(*raws(2))
    shelf.take(LANE, "one", 2)
    settle(shelf, "one", 1, ids[0], 1, counts={}, burials=[burial(ids[0])])
    settle(shelf, "one", 2, ids[1], 1, counts={}, burials=[burial(ids[0], "c2")])
    assert +shelf.ledger == {"position": 2, "dead": 1, "base": 1}
    assert shelf.dead == {f"production.3.{ids[0]}": {"cause": "c2"}}


def test_failures_at_one_place_are_counted_until_it_is_passed(shelf):
    """Across leases, by the end of the first request that failed."""
    ids = shelf.append(*raws(3))
    counts = []
    for n, place in enumerate((1, 2, 0)):
        shelf.take(LANE, f"holder-{n}", 3)
        counts.append(shelf.refused(LANE, f"holder-{n}", ids[place]))
        shelf.release(LANE, f"holder-{n}", "0-0", keep=False)
    assert (counts, shelf.flight) == ([1, 2, 3], {"stuck": ids[1], "refusals": 3})
    shelf.take(LANE, "last", 3)
    settle(shelf, "last", 1, ids[0], 1)
    assert shelf.refused(LANE, "last", ids[2]) == 4
    settle(shelf, "last", 2, ids[1], 1)
    assert shelf.flight == {"token": "last", "step": 2}


@pytest.mark.parametrize(
    ("waits", "keep", "mark", "ended", "lease", "woken"),
    [
        (False, True, True, "empty", "", False),
        (True, True, True, "more", "one", False),
        (True, False, True, "more", "", True),
        (True, False, False, "more", "", False),
    ],
)
def test_a_release_looks_once_more(shelf, waits, keep, mark, ended, lease, woken):
    """The lease is kept if asked for, else let go with the promise of a message, or without."""
    shelf.append(*raws(1))
    taken = shelf.take(LANE, "one", 1)
    cursor = "0-0" if waits else taken.entries[0][0]
    if not waits:
        settle(shelf, "one", 1, cursor, 1)
    assert shelf.release(LANE, "one", cursor, keep=keep, mark=mark) == ended
    assert (shelf.lease, shelf.woken) == (lease, woken)
    assert shelf.flight == ({"token": "one"} if lease else {})


def test_a_promise_is_repeated_to_who_did_not_hear_it(shelf):
    """The answer of the release was lost: the message is still the caller's to send."""
    shelf.append(*raws(1))
    shelf.take(LANE, "one", 1)
    assert [shelf.release(LANE, "one", "0-0", keep=False) for _ in range(2)] == ["more", "more"]
