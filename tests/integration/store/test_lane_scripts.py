"""The scripts of one lane on a real server: take, settle, release, join; fenced, and safe to repeat."""

import uuid

import pytest
import redis

from tests.support.fakes import order
from worker.errors import LeaseLostError
from worker.ledger.audit import differences, read_books
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.settling import Burial, Settlement
from worker.store.stream import Streams
from worker.store.taken import Taken

LANE = Lane("app", "production", 3)
LEASE_MS, WAKE_MS = 60_000, 60_000


@pytest.fixture
def streams(redis_client):
    made = Streams(redis_client, LEASE_MS, 3600, WAKE_MS)
    made.join(LANE, "now")
    return made


def token():
    return uuid.uuid4().hex


def append(client, count, start=0):
    return [client.xadd(LANE.key("events"), {"b": f"raw-{n}"}).decode() for n in range(start, start + count)]


def settle(streams, holder, step, cursor, events, *, more=0, counts=None, burials=(), people=None, calm=True):
    counts = {"delivered": events} if counts is None else counts
    done = Settlement(cursor, events, counts, people or {}, burials, calm)
    return streams.settle(LANE, holder, step, done, more, cursor).entries


def burial(entry_id, cause="c1"):
    record = b'{"cause":"%b"}' % cause.encode()
    return Burial(f"production.3.{entry_id}", cause, b'{"reason":"rejected"}', 1_760_000_000_000, record)


def flight(client):
    known = {name.decode(): value.decode() for name, value in client.hgetall(LANE.key("flight")).items()}
    return {name: value for name, value in known.items() if not name.startswith("gone:")}


def ledger(client):
    return {name.decode(): int(value) for name, value in client.hgetall(LANE.key("ledger")).items()}


def books_balance(client):
    books = read_books(client, LANE)
    client_sees = differences(books)
    assert client_sees == [], client_sees
    return {name: getattr(books, name) for name in ("accepted", "delivered", "filtered", "dead", "waiting")}


def snapshot(client):
    """Everything in the database but times to live."""
    found = {}
    for key in sorted(client.keys("relay:*")):
        kind = client.type(key)
        if kind == b"stream":
            found[key] = (client.xlen(key), [sorted(group.items()) for group in client.xinfo_groups(key)])
        else:
            found[key] = client.dump(key)
    return found


class TestTake:
    def test_what_waits_is_read_behind_the_cursor(self, streams, redis_client):
        """The whole reply, and what is left in Redis of it."""
        ids = append(redis_client, 5)
        holder = token()
        taken = streams.take(LANE, holder, 3)
        assert taken == Taken("0-0", 0, "", "", 0, 0, [(ids[n], b"raw-%d" % n) for n in range(3)])
        assert redis_client.get(LANE.key("lease")) == holder.encode()
        assert 0 < redis_client.pttl(LANE.key("lease")) <= LEASE_MS
        assert flight(redis_client) == {"token": holder}

    def test_a_second_holder_is_told_that_the_lane_is_busy(self, streams, redis_client):
        """And changes nothing."""
        append(redis_client, 1)
        streams.take(LANE, token(), 3)
        before = snapshot(redis_client)
        assert streams.take(LANE, token(), 3) == "busy"
        assert snapshot(redis_client) == before

    def test_a_message_that_finds_the_lane_busy_takes_its_mark_along(self, streams, redis_client):
        """A sweep may mark a lane that was taken since it looked: the mark kept the next event waiting for seconds."""
        append(redis_client, 1)
        streams.take(LANE, token(), 3)
        streams.mark_woken([LANE])
        assert streams.take(LANE, token(), 3) == "busy"
        assert not redis_client.exists(LANE.key("wake"))

    def test_taking_twice_with_one_token_is_taking_once(self, streams, redis_client):
        """A client that lost the answer asks again: no death is counted."""
        append(redis_client, 2)
        holder = token()
        first = streams.take(LANE, holder, 3)
        before = snapshot(redis_client)
        assert streams.take(LANE, holder, 3) == first
        assert snapshot(redis_client) == before

    def test_a_held_lane_is_left_to_probes(self, streams, redis_client):
        """Its wake mark goes, so that the next event after the hold gets a message of its own."""
        redis_client.set(LANE.key("hold"), "1")
        redis_client.set(LANE.key("wake"), "1")
        assert streams.take(LANE, token(), 3) == "held"
        assert not redis_client.exists(LANE.key("lease"), LANE.key("wake"), LANE.key("flight"))
        assert isinstance(streams.take(LANE, token(), 3, probe=True), Taken)

    @pytest.mark.parametrize("loss", ["group", "stream"])
    def test_without_a_group_nothing_is_changed(self, streams, redis_client, loss):
        """A server that was emptied must not be read from the start as if nothing had been delivered."""
        append(redis_client, 2)
        if loss == "group":
            redis_client.xgroup_destroy(LANE.key("events"), LANE.integration)
        else:
            redis_client.delete(LANE.key("events"))
        before = snapshot(redis_client)
        with pytest.raises(redis.ResponseError):
            streams.take(LANE, token(), 3)
        assert snapshot(redis_client) == before

    def test_a_holder_that_vanished_is_a_death(self, streams, redis_client):
        """Each makes the next batch smaller, down to one event; the end of the caution stays where it was."""
        ids = append(redis_client, 100)
        read = []
        for _ in range(6):
            taken = streams.take(LANE, token(), 80)
            read.append((taken.deaths, len(taken.entries), taken.until))
            redis_client.delete(LANE.key("lease"))
        until = ids[79]
        assert read == [(0, 80, ""), (1, 50, until), (2, 5, until), (3, 1, until), (4, 1, until), (5, 1, until)]

    def test_deaths_are_counted_by_the_phase_of_the_trial(self, streams, redis_client):
        """And again for another event."""
        ids = append(redis_client, 3)
        seen = []
        for place, phase in [(0, "mapping"), (0, "sending"), (0, "sending"), (1, "mapping"), (1, "mapping")]:
            holder = token()
            taken = streams.take(LANE, holder, 3)
            seen.append((taken.alone, taken.mapping, taken.sending))
            streams.caution(LANE, holder, ids[place], "mapping")
            streams.caution(LANE, holder, ids[place], phase)
            redis_client.delete(LANE.key("lease"))
        taken = streams.take(LANE, token(), 3)
        seen.append((taken.alone, taken.mapping, taken.sending))
        one, two = ids[:2]
        assert seen == [("", 0, 0), (one, 1, 0), (one, 1, 1), (one, 1, 2), (two, 1, 0), (two, 2, 0)]


class TestSettle:
    def test_cursor_counts_people_and_dead_letters_move_together(self, streams, redis_client):
        """The whole ledger, the group, a state and a dead letter."""
        ids = append(redis_client, 5)
        holder = token()
        streams.take(LANE, holder, 5)
        person = person_key(3, "production", "abc")
        counts = {"delivered": 2, "filtered:event_off": 1, "late_ms:50": 2}
        read = settle(
            streams, holder, 1, ids[3], 4, more=10, counts=counts, burials=[burial(ids[2])], people={person: b"s"}
        )
        assert read == [(ids[4], b"raw-4")]
        assert ledger(redis_client) == {"base": 0, "position": 4, "dead": 1, **counts}
        group = redis_client.xinfo_groups(LANE.key("events"))[0]
        assert (group["last-delivered-id"], group["entries-read"], group["lag"], group["pending"]) == (
            ids[3].encode(),
            4,
            1,
            0,
        )
        assert redis_client.get(person) == b"s"
        assert redis_client.ttl(person) > 3500
        assert redis_client.hgetall(LANE.key("dead")) == {f"production.3.{ids[2]}".encode(): burial(ids[2]).record}
        assert books_balance(redis_client) == {"accepted": 5, "delivered": 2, "filtered": 1, "dead": 1, "waiting": 1}

    def test_a_step_that_is_repeated_counts_once(self, streams, redis_client):
        """The answer was lost: the same step again changes nothing and reads the same."""
        ids = append(redis_client, 5)
        holder = token()
        streams.take(LANE, holder, 2)
        first = settle(streams, holder, 1, ids[1], 2, more=10, burials=[burial(ids[0])], counts={"delivered": 1})
        before = snapshot(redis_client)
        assert (
            settle(streams, holder, 1, ids[1], 2, more=10, burials=[burial(ids[0])], counts={"delivered": 1}) == first
        )
        assert snapshot(redis_client) == before
        settle(streams, holder, 2, ids[4], 3)
        assert books_balance(redis_client) == {"accepted": 5, "delivered": 4, "filtered": 0, "dead": 1, "waiting": 0}

    @pytest.mark.parametrize("successor", [False, True])
    def test_a_zombie_changes_nothing(self, streams, redis_client, successor):
        """A holder that was stopped for longer than its lease, with and without somebody in its place."""
        ids = append(redis_client, 5)
        zombie, heir = token(), token()
        streams.take(LANE, zombie, 2)
        redis_client.delete(LANE.key("lease"))
        if successor:
            streams.take(LANE, heir, 5)
            settle(streams, heir, 1, ids[2], 3)
        before = snapshot(redis_client)
        with pytest.raises(LeaseLostError):
            settle(streams, zombie, 1, ids[1], 2, more=10, people={person_key(3, "production", "x"): b"old"})
        with pytest.raises(LeaseLostError):
            streams.caution(LANE, zombie, ids[0], "mapping")
        assert not streams.renew(LANE, zombie)
        assert streams.release(LANE, zombie, ids[1], keep=False) == "lost"
        assert snapshot(redis_client) == before

    def test_a_settle_prolongs_the_lease(self, streams, redis_client):
        """Progress is the best renewal; a repeated step is one too."""
        ids = append(redis_client, 1)
        holder = token()
        streams.take(LANE, holder, 2)
        for _ in range(2):
            redis_client.pexpire(LANE.key("lease"), 500)
            settle(streams, holder, 1, ids[0], 1)
            assert redis_client.pttl(LANE.key("lease")) > 500

    def test_a_group_that_is_gone_leaves_the_books_alone(self, streams, redis_client):
        """Somebody destroyed it: the settle fails before it has written anything."""
        ids = append(redis_client, 2)
        holder = token()
        streams.take(LANE, holder, 2)
        redis_client.xgroup_destroy(LANE.key("events"), LANE.integration)
        before = snapshot(redis_client)
        with pytest.raises(redis.ResponseError):
            settle(streams, holder, 1, ids[1], 2)
        assert snapshot(redis_client) == before

    def test_the_scripts_may_be_forgotten_at_any_time(self, streams, redis_client):
        """SCRIPT FLUSH, a restart or a failover: each is loaded again."""
        ids = append(redis_client, 2)
        holder = token()
        redis_client.script_flush()
        streams.take(LANE, holder, 2)
        redis_client.script_flush()
        streams.caution(LANE, holder, ids[0], "mapping")
        redis_client.script_flush()
        assert settle(streams, holder, 1, ids[0], 1, more=5) == [(ids[1], b"raw-1")]
        redis_client.script_flush()
        assert streams.renew(LANE, holder)
        redis_client.script_flush()
        assert streams.release(LANE, holder, ids[0], keep=False) == "more"
        assert books_balance(redis_client) == {"accepted": 2, "delivered": 1, "filtered": 0, "dead": 0, "waiting": 1}

    def test_what_is_known_of_deaths_lasts_until_it_is_passed(self, streams, redis_client):
        """A settle before the end of the caution keeps it, the one that passes it ends it."""
        ids = append(redis_client, 10)
        streams.take(LANE, token(), 5)
        redis_client.delete(LANE.key("lease"))
        holder = token()
        streams.take(LANE, holder, 5)
        streams.caution(LANE, holder, ids[0], "mapping")
        settle(streams, holder, 1, ids[1], 2, calm=False)
        kept = {"token": holder, "deaths": "1", "until": ids[4], "alone": ids[0], "phase": "mapping", "step": "1"}
        assert flight(redis_client) == kept
        settle(streams, holder, 2, ids[4], 3, calm=True)
        assert flight(redis_client) == {"token": holder, "step": "2"}

    @pytest.mark.parametrize("cause", ["c1", "c2"])
    def test_an_event_that_dies_again_is_one_dead_letter(self, streams, redis_client, cause):
        """Its group was lost and starts over with the archive: the letter has the last cause, and the books balance."""
        ids = append(redis_client, 2)
        holder = token()
        streams.take(LANE, holder, 2)
        settle(streams, holder, 1, ids[1], 2, counts={"delivered": 1}, burials=[burial(ids[0])])
        streams.release(LANE, holder, ids[1], keep=False)
        redis_client.xgroup_destroy(LANE.key("events"), LANE.integration)
        streams.join(LANE, "archive")
        streams.take(LANE, holder := token(), 2)
        settle(streams, holder, 1, ids[1], 2, counts={"delivered": 1}, burials=[burial(ids[0], cause)])
        assert books_balance(redis_client) == {"accepted": 2, "delivered": 1, "filtered": 0, "dead": 1, "waiting": 0}
        assert redis_client.hkeys(LANE.key("deadcauses")) == [cause.encode()]


class TestRelease:
    def test_nothing_is_left_of_a_lease_that_ended_well(self, streams, redis_client):
        """Neither a lease nor a flight nor a mark."""
        ids = append(redis_client, 1)
        holder = token()
        streams.take(LANE, holder, 1)
        settle(streams, holder, 1, ids[0], 1)
        assert streams.release(LANE, holder, ids[0], keep=True) == "empty"
        assert not redis_client.exists(LANE.key("lease"), LANE.key("flight"), LANE.key("wake"))

    def test_what_came_meanwhile_keeps_the_lease(self, streams, redis_client):
        """The look and the letting go are one step: an event cannot fall between them."""
        holder = token()
        streams.take(LANE, holder, 1)
        append(redis_client, 1)
        assert streams.release(LANE, holder, "0-0", keep=True) == "more"
        assert redis_client.get(LANE.key("lease")) == holder.encode()

    @pytest.mark.parametrize("repeated", [False, True])
    def test_a_yield_promises_a_message(self, streams, redis_client, repeated):
        """The wake mark is set for it; a caller that lost the answer hears of its promise again."""
        append(redis_client, 1)
        holder = token()
        streams.take(LANE, holder, 1)
        assert streams.release(LANE, holder, "0-0", keep=False) == "more"
        if repeated:
            assert streams.release(LANE, holder, "0-0", keep=False) == "more"
        assert redis_client.get(LANE.key("wake")) == holder.encode()
        assert not redis_client.exists(LANE.key("lease"), LANE.key("flight"))

    def test_who_sends_no_message_leaves_no_mark(self, streams, redis_client):
        """A hold: the sweep or the next append wakes the lane, and nothing says that somebody has."""
        append(redis_client, 1)
        holder = token()
        streams.take(LANE, holder, 1)
        assert streams.release(LANE, holder, "0-0", keep=False, mark=False) == "more"
        assert not redis_client.exists(LANE.key("wake"))

    def test_deaths_outlive_a_clean_stop_that_is_none(self, streams, redis_client):
        """The next holder goes on with the same caution, and counts no death more."""
        ids = append(redis_client, 5)
        for _ in range(2):
            holder = token()
            streams.take(LANE, holder, 5)
            redis_client.delete(LANE.key("lease"))
        holder = token()
        streams.take(LANE, holder, 5)
        streams.caution(LANE, holder, ids[0], "sending")
        assert streams.release(LANE, holder, "0-0", keep=False) == "more"
        assert flight(redis_client) == {"deaths": "2", "until": ids[4], "alone": ids[0]}
        taken = streams.take(LANE, token(), 5)
        assert (taken.deaths, taken.sending, len(taken.entries)) == (2, 0, 5)


class TestRefused:
    def test_failures_at_one_place_are_counted_across_leases(self, streams, redis_client):
        """Until the cursor is past the end of the first request that failed; a clean release keeps the count."""
        ids = append(redis_client, 3)
        counts = []
        for end in (ids[1], ids[2], ids[0]):
            holder = token()
            streams.take(LANE, holder, 3)
            counts.append(streams.refused(LANE, holder, end))
            streams.release(LANE, holder, "0-0", keep=False)
        assert counts == [1, 2, 3]
        assert flight(redis_client) == {"stuck": ids[1], "refusals": "3"}
        holder = token()
        assert streams.take(LANE, holder, 3).deaths == 0
        settle(streams, holder, 1, ids[0], 1)
        assert streams.refused(LANE, holder, ids[2]) == 4
        settle(streams, holder, 2, ids[1], 1)
        assert flight(redis_client) == {"token": holder, "step": "2"}
        assert streams.refused(LANE, holder, ids[2]) == 1

    def test_who_has_lost_the_lease_counts_nothing(self, streams, redis_client):
        """And hears that it has."""
        append(redis_client, 1)
        streams.take(LANE, token(), 1)
        with pytest.raises(LeaseLostError):
            streams.refused(LANE, token(), "1-1")
        assert "refusals" not in flight(redis_client)


class TestJoin:
    def test_a_new_integration_begins_now(self, streams, redis_client):
        """What was stored before it joined is not its own, and not in its books."""
        append(redis_client, 3)
        other = Lane("app", "second", 3)
        assert streams.join(other, "now") is True
        assert streams.join(other, "now") is False
        ids = append(redis_client, 1)
        assert [entry_id for entry_id, _ in streams.take(other, token(), 9).entries] == ids
        books = read_books(redis_client, other)
        assert differences(books) == []
        assert (books.accepted, books.waiting) == (1, 1)

    def test_a_new_integration_may_begin_with_the_archive(self, streams, redis_client):
        """From the oldest entry that is still kept."""
        ids = append(redis_client, 5)
        redis_client.xtrim(LANE.key("events"), minid=ids[2], approximate=False)
        other = Lane("app", "second", 3)
        assert streams.join(other, "archive") is True
        assert [entry_id for entry_id, _ in streams.take(other, token(), 9).entries] == ids[2:]
        books = read_books(redis_client, other)
        assert differences(books) == []
        assert (books.accepted, books.waiting) == (3, 3)

    def test_joining_again_changes_nothing(self, streams, redis_client):
        """Every process joins when it starts."""
        ids = append(redis_client, 3)
        holder = token()
        streams.take(LANE, holder, 2)
        settle(streams, holder, 1, ids[1], 2)
        before = snapshot(redis_client)
        assert streams.join(LANE, "archive") is False
        assert snapshot(redis_client) == before


def test_entry_ids_grow_although_the_clock_goes_back(streams, redis_client):
    """Redis itself sees to it: a cursor never misses an event that was stored after a clock was set back."""
    future = "9999999999999-5"
    redis_client.xadd(LANE.key("events"), {"b": "from the future"}, id=future)
    ids = append(redis_client, 2)
    assert [order(entry_id) for entry_id in ids] == [(9999999999999, 6), (9999999999999, 7)]
    taken = streams.take(LANE, token(), 9)
    assert [entry_id for entry_id, _ in taken.entries] == [future, *ids]
