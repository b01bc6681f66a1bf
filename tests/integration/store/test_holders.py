"""Holders that vanished: which of them may be alive, and how one that lives takes its crash back."""

import pytest
import redis

from worker.errors import LeaseLostError
from worker.store.holders import FROZEN_MS, HANGS_MS, SILENT_BEATS, Holders
from worker.store.lane import Lane
from worker.store.processes import Process, Processes
from worker.store.stream import Streams
from worker.store.taken import CAUTIOUS_LETTERS, Taken, Vanished

LANE = Lane("app", "production", 3)
SINCE_MS = 1_760_000_000_000


@pytest.fixture
def processes(redis_client):
    """The heartbeats; this process has had none yet."""
    return Processes(redis_client)


def vanished(token="chance@other"):
    return Vanished(token, "mapping", SINCE_MS)


def may_live(client, processes, *, running=None, one=None):
    return bool(Holders(client, processes, lambda _: running).may_live([one or vanished()]))


def has_beats(processes, *, own_s, other_s=None):
    """This process's heartbeats, and the other's last one, in seconds since the lease was missed."""
    processes.own_beats.extend(SINCE_MS + int(at_s * 1000) for at_s in own_s)
    if other_s is not None:
        processes.beats = lambda: {"other": SINCE_MS + int(other_s * 1000)}


@pytest.mark.parametrize(("running", "lives"), [(True, True), (False, False), (None, True)])
def test_on_one_machine_the_system_says_who_lives(redis_client, processes, running, lives):
    """At once; of another machine nothing is known yet."""
    assert may_live(redis_client, processes, running=running) is lives


@pytest.mark.parametrize(
    ("own_s", "other_s", "lives"),
    [
        (range(1, SILENT_BEATS), None, True),
        (range(1, SILENT_BEATS + 1), None, False),
        (range(-4, SILENT_BEATS - 4), -4.5, False),
        (range(-4, SILENT_BEATS - 4), 3, True),
        ([], -4, True),
        ([60], -4, True),
        (range(60), 20, False),
        (range(30), 20, True),
    ],
)
def test_elsewhere_heartbeats_say_it(redis_client, processes, own_s, other_s, lives):
    """Counted against one's own: a Redis that was away for a minute makes nobody look dead."""
    has_beats(processes, own_s=own_s, other_s=other_s)
    assert may_live(redis_client, processes) is lives


def test_a_frozen_process_is_waited_for(redis_client, processes):
    """Though it has no heartbeats; not for ever."""
    has_beats(processes, own_s=range(60))
    assert may_live(redis_client, processes, running=True)
    has_beats(processes, own_s=[FROZEN_MS / 1000 + 1])
    assert not may_live(redis_client, processes, running=True)


@pytest.mark.parametrize(("other_s", "lives"), [(HANGS_MS / 1000 - 1, True), (HANGS_MS / 1000 + 1, False)])
def test_a_holder_that_says_nothing_hangs(redis_client, processes, other_s, lives):
    """Its process says each second that all is said."""
    has_beats(processes, own_s=range(60), other_s=other_s)
    assert may_live(redis_client, processes, running=True) is lives


def test_earlier_releases_say_nothing(redis_client, processes):
    """A crash of theirs counts at once, as it did."""
    assert not may_live(redis_client, processes, running=True, one=vanished("0123456789abcdef"))


def test_heartbeats_are_known_by_their_instance(redis_client, processes):
    """By Redis's clock; one's own are remembered."""
    processes.beat(Process("h", 1, "worker", "1.0", 1, 1, instance="mine"))
    processes.beat(Process("h", 2, "worker", "0.1", 1, 1))
    redis_client.hset("relay:processes", "strange", "x")
    assert processes.beats() == {"mine": processes.own_beats[0], "": processes.own_beats[1]}


class Lanes(Streams):
    """One lane with three events, whose holders vanish."""

    def __init__(self, client):
        super().__init__(client, 60_000, 3600, 60_000)
        self.client = client
        self.join(LANE, "now")
        self.ids = [client.xadd(LANE.key("events"), {"b": b"{}"}).decode() for _ in range(3)]

    def vanish(self, token, phase="mapping"):
        """A holder takes the lane and vanishes with the first event in hand."""
        self.take(LANE, token, 3)
        self.caution(LANE, token, self.ids[0], phase)
        self.client.delete(LANE.key("lease"))

    def look(self):
        """What the next holder finds; it lets go in order."""
        taken = self.take(LANE, "looks", 3)
        assert isinstance(taken, Taken)
        self.release(LANE, "looks", taken.cursor, keep=False)
        return (taken.deaths, taken.mapping, taken.sending, [one.token for one in taken.vanished])


@pytest.mark.parametrize("times", [1, 3])
def test_a_holder_that_lives_takes_its_own_crash_back(redis_client, times):
    """Its own and no other's, however often it is said."""
    lanes, holders = Lanes(redis_client), Holders(redis_client, Processes(redis_client))
    for token in ("a", "b", "c"):
        lanes.vanish(token)
    assert lanes.look()[:3] == (3, 3, 0)
    for _ in range(times):
        holders.survived(LANE, "flight", "b")
    holders.speak()
    deaths, mapping, sending, tokens = lanes.look()
    assert (deaths, mapping, sending, sorted(tokens)) == (2, 2, 0, ["a", "c"])


def test_when_all_live_nothing_is_left(redis_client):
    """Neither caution nor a count."""
    lanes, holders = Lanes(redis_client), Holders(redis_client, Processes(redis_client))
    for token in ("a", "b"):
        lanes.vanish(token)
    lanes.look()
    for token in ("a", "b"):
        holders.survived(LANE, "flight", token)
    holders.speak()
    assert lanes.look() == (0, 0, 0, [])


def test_who_speaks_before_the_next_holder_comes_is_never_counted(redis_client):
    """Its lease is let go of too."""
    lanes, holders = Lanes(redis_client), Holders(redis_client, Processes(redis_client))
    lanes.take(LANE, "a", 3)
    with pytest.raises(LeaseLostError), holders.surviving(LANE, "flight", "a"):
        raise LeaseLostError("test")
    holders.speak()
    assert not redis_client.exists(LANE.key("lease"), LANE.key("flight"))
    assert lanes.look() == (0, 0, 0, [])


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (redis.ConnectionError(), True),
        (redis.TimeoutError(), True),
        (OSError(), True),
        (redis.exceptions.ReadOnlyError(), True),
        (redis.ResponseError("ERR at this event"), False),
        (ValueError(), False),
    ],
)
def test_what_may_be_the_events_doing_is_a_crash(redis_client, fault, said):
    """A server that is away is not; a refusal is, and any other error."""
    lanes, holders = Lanes(redis_client), Holders(redis_client, Processes(redis_client))
    lanes.take(LANE, "a", 3)
    with pytest.raises(type(fault)), holders.surviving(LANE, "flight", "a"):
        raise fault
    holders.speak()
    assert bool(redis_client.exists(LANE.key("flight"))) is not said


def test_what_redis_did_not_hear_is_said_again(redis_client, processes):
    """At the next heartbeat."""
    lanes = Lanes(redis_client)
    lanes.take(LANE, "a", 3)
    holders = Holders(redis_client, processes)
    holders.survived(LANE, "flight", "a")
    survive = holders._survive

    def away(**_):
        raise redis.ConnectionError

    holders._survive = away
    with pytest.raises(redis.ConnectionError):
        holders.speak()
    holders._survive = survive
    holders.speak()
    assert not redis_client.exists(LANE.key("flight"))


def test_of_very_many_crashes_some_are_taken_back(redis_client):
    """What is kept of them is bounded."""
    lanes = Lanes(redis_client)
    for n in range(70):
        lanes.vanish(f"holder-{n}")
    deaths, mapping, _, tokens = lanes.look()
    assert (deaths, mapping, len(tokens)) == (70, 70, 64)
    assert len(CAUTIOUS_LETTERS) < 64
