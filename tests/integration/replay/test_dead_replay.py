"""Replays of dead letters: real Redis, real sockets to the simulator, the worker's own parts."""

import threading
import time
from contextlib import suppress

import msgspec
import pytest

from tests.support.deadstack import event, opened
from tests.support.waiting import until
from worker.customerio.track_api import TrackApi
from worker.delivery.poison import _DECIDING
from worker.mapping.mapper import Mapper
from worker.process.stop import Stop
from worker.replay.job import Job
from worker.replay.letter_lanes import LetterLanes, Turn
from worker.store.holders import Holders
from worker.store.keys import job_part_key
from worker.store.lane import Lane

LANES = [Lane("app", "production", shard) for shard in range(4)]


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay whose Customer.io refuses events named BAD, and batches with POISON in them."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}), refuse_event_names=frozenset({"POISON"}))
        yield stack


def bury(dead, *events):
    """Let events die, and make Customer.io well again."""
    dead.deliver(*events)
    assert len(dead.letters()) == len(events)
    dead.faults()


def person(dead, number):
    """A person's attributes at the simulator."""
    found = dead.simulator.workspace()[1].people.find("id", f"user-{number}")
    return found.attributes if found else None


def held(dead):
    """The kind of hold, if any."""
    hold = dead.parts.holds.get(["production"]).get("production")
    return hold and hold.kind


def test_a_replay_delivers_each_letter_once_and_the_books_balance(dead):
    """What was dead is delivered: the letters, their causes and their counts are gone."""
    bury(dead, *[event(n, "POISON") for n in range(3)], *[event(n, "BAD") for n in range(250)])
    job = dead.replay()
    assert (job.state, job.counts, job.left, job.closed) == ("done", {"delivered": 253}, 0, True)
    account = dead.account()
    assert (account.dead, account.delivered, account.accepted) == (0, 253, 253)
    arrived = dead.arrived()
    assert len({one.id for one in arrived}) == len(arrived) == 253
    assert not [key for key in dead.parts.redis.keys("*dead*") if b"deadtrail" not in key]
    assert not dead.parts.redis.keys("relay:{[0-9]*}:replay*")


def test_letters_of_one_person_arrive_in_the_order_of_their_events(dead):
    """A replay keeps each person's order of arrival."""
    bury(dead, *[event(7, "BAD", event_id=str(n), n=n) for n in range(30)])
    dead.replay()
    assert [msgspec.json.decode(one.attributes)["n"] for one in dead.arrived()] == list(range(30))


def test_a_letter_that_fails_again_stays_with_what_was_said(dead):
    """Its id stays, its cause may change, its attempts and the count of its replays grow."""
    bury(dead, event(1, "BAD"), event(2, "BAD"))
    before = dead.letters()
    dead.faults(refuse_event_names=frozenset({"BAD"}))
    job = dead.replay()
    after = dead.letters()
    assert job.counts == {"dead": 2}
    assert [one.id for one in after] == [one.id for one in before]
    assert {(one.status, one.replays, len(one.attempts)) for one in after} == {(400, 1, 2)}
    assert [c.status for c in dead.parts.dead_letters.causes.list(["production"], dead_filter())] == [400]
    assert dead.account().dead == 2


def dead_filter():
    """A filter that means everything."""
    from worker.dead.filters import Filter

    return Filter()


def test_a_refused_letter_is_found_among_the_others(dead):
    """A batch that Customer.io refuses whole is searched: one letter stays dead, all others are delivered."""
    bury(dead, *[event(n, "BAD") for n in range(60)], event(61, "POISON"))
    dead.faults(refuse_event_names=frozenset({"POISON"}))
    job = dead.replay()
    assert job.counts == {"delivered": 60, "dead": 1}
    assert [one.event for one in dead.letters()] == ["POISON"]
    assert dead.account().dead == 1


def test_a_letter_that_is_not_wanted_any_more_is_filtered(dead):
    """Under the present configuration the event is switched off: it leaves the dead letters and is not sent."""
    bury(dead, event(1, "BAD"), event(2, "POISON"))
    dead.restart(('"*" = true', '"*" = true\nBAD = false'))
    job = dead.replay()
    assert job.counts == {"filtered:event_off": 1, "delivered": 1}
    assert dead.account().filtered == {"event_off": 1}
    assert [one.name for one in dead.arrived()] == ["POISON"]


def test_two_replays_of_one_letter_deliver_it_once(dead):
    """Whichever comes second finds it gone, and nothing is counted twice."""
    bury(dead, *[event(n, "BAD") for n in range(20)])
    jobs = [dead.start(dead.letters()) for _ in range(2)]
    dead.work()
    counts = [dead.job(job).counts for job in jobs]
    assert sum(count.get("delivered", 0) for count in counts) == 20
    assert sum(count.get("gone", 0) for count in counts) == 20
    assert (dead.account().delivered, len(dead.arrived())) == (20, 20)


def test_a_replay_that_repeats_what_arrived_changes_nothing(dead):
    """The answer was lost and the letter is there still: its ULID is the old one, so Customer.io ignores it."""
    bury(dead, event(1, "BAD"))
    letters = dead.letters()
    dead.faults("reset_after")
    dead.start(letters)
    dead.work(within_s=0.1)
    assert dead.account().dead == 1
    dead.faults()
    until(lambda: dead.work() or dead.account().delivered == 1, "the job's probe ends the hold", within_s=10)
    assert len(dead.arrived()) == 1
    assert dead.simulator.workspace()[1].counts["duplicates"] == 1


def test_a_replayed_old_event_takes_nothing_back(dead):
    """The person had newer events since: their properties stay those of the newest one."""
    bury(dead, event(5, "BAD", plan="old"))
    newer = event(5)["event_created_at_ms"] + 60_000
    dead.deliver(event(5, plan="new", event_id="newer", event_created_at_ms=newer))
    assert person(dead, 5)["plan"] == "new"
    dead.replay()
    assert person(dead, 5)["plan"] == "new"
    assert person(dead, 5)["last_event"] == "SUBSCRIPTION_RENEWED"
    assert len(dead.arrived()) == 2


def test_a_replay_tells_what_only_the_letter_knew(dead):
    """What the dead event alone said of the person reaches Customer.io with the replay, and stays known."""
    bury(dead, event(5, "BAD", user_id=None, plan="p"), event(6, "BAD", plan="q"))
    dead.restart(
        (
            "[integrations.production.events]",
            '[integrations.production.identity]\nid = ["purchasely_subscription_id"]\n[integrations.production.events]',
        )
    )
    dead.replay()
    people = dead.simulator.workspace()[1].people
    assert people.find("id", "sub-5").attributes["plan"] == "p"
    assert people.find("id", "sub-6").attributes["plan"] == "q"


@pytest.mark.parametrize(("fault", "kind"), [("unauthorized", "unauthorized"), ("status_503", "unreachable")])
def test_a_job_waits_out_a_hold(dead, fault, kind):
    """A wrong key or an outage holds the integration; the job's own probe ends that, and the job goes on."""
    bury(dead, *[event(n, "BAD") for n in range(10)])
    dead.faults(fault, 2)
    job_id = dead.start(dead.letters())
    dead.work(within_s=0.2)
    assert held(dead) == kind
    assert (dead.job(job_id).state, dead.job(job_id).message) == ("running", "production is held")
    assert dead.account().dead == 10

    def ended():
        dead.work(within_s=1)
        return dead.job(job_id).state != "running"

    until(ended, "the job goes on when the hold has ended", within_s=10)
    assert dead.job(job_id).counts == {"delivered": 10}
    assert held(dead) is None
    assert len(dead.arrived()) == 10


def test_what_an_operator_holds_no_job_touches(dead):
    """The job waits, without a request, until the operator resumes the integration."""
    bury(dead, event(1, "BAD"))
    dead.parts.holds.hold("production", "operator", 1)
    job_id = dead.start(dead.letters())
    dead.work(within_s=0.5)
    assert dead.job(job_id).left == 1
    assert dead.arrived() == []
    dead.parts.holds.resume("production", "operator")
    dead.work()
    assert dead.job(job_id).counts == {"delivered": 1}


def test_live_events_go_first(dead):
    """While events wait on its lane, a job takes no turn there; it does once they are delivered."""
    bury(dead, event(1, "BAD"))
    dead.append(event(1))
    job_id = dead.start(dead.letters())
    following = dead.task(job_id, "first")
    assert following is not None
    assert (dead.job(job_id).left, dead.job(job_id).message) == (1, "live events go first")
    dead.deliver()
    assert dead.task(job_id, following[0]) is None
    assert dead.job(job_id).counts == {"delivered": 1}
    assert [one.name for one in dead.arrived()] == ["SUBSCRIPTION_RENEWED", "BAD"]


def test_live_events_that_came_during_a_turn_are_woken(dead):
    """A turn holds the lane's lease, so the door wakes nobody: the end of the turn does."""
    bury(dead, event(1, "BAD"))
    letter = dead.letters()[0]
    dead.faults("slow_before", slow_s=0.3)
    job_id = dead.start([letter])
    worker = threading.Thread(target=dead.work)
    worker.start()
    lease = Lane("app", "production", letter.shard).key("lease")
    until(lambda: dead.parts.redis.exists(lease), "the turn has the lease", every_s=0.01)
    dead.append(event(1))
    worker.join()
    assert dead.job(job_id).counts == {"delivered": 1}
    assert dead.woken == [("production", letter.shard)]
    assert dead.parts.redis.exists(Lane("app", "production", letter.shard).key("wake"))


def test_a_starving_job_takes_small_turns_in_between(dead, monkeypatch):
    """Where events never stop waiting, letters are not kept for ever: after its patience a job overtakes."""
    bury(dead, *[event(1, "BAD", event_id=str(n)) for n in range(30)])
    dead.append(event(1))
    monkeypatch.setattr("worker.replay.jobrun._PATIENCE_MS", -1)
    job_id = dead.start(dead.letters())
    token, left = "first", []
    for _ in range(3):
        token, wait_s = dead.task(job_id, token)
        assert wait_s == 0.5
        left.append(dead.job(job_id).left)
    assert left == [30, 5, 0], "it waits, overtakes with 25, waits again"
    assert len(dead.woken) == 2, "live events are woken after each turn"


def test_a_turn_keeps_the_rate(dead):
    """Letters a second are not exceeded, whatever the size of a turn."""
    bury(dead, *[event(n, "BAD") for n in range(40)])
    began = time.monotonic()
    job = dead.replay(rate=50)
    took_s = time.monotonic() - began
    assert job.counts == {"delivered": 40}
    assert took_s > 0.5


def test_a_lost_worker_leaves_its_letters_to_the_next(dead):
    """A worker that vanished with letters in hand costs nothing: they are tried again, with caution, once each."""
    bury(dead, *[event(n, "BAD") for n in range(30)])
    job_id = dead.start(dead.letters())
    lane = Lane("app", "production", dead.letters()[0].shard)
    taken = dead.parts.serving.lanes(LetterLanes).take(lane, job_id, "gone", 100, overtake=False)
    assert isinstance(taken, Turn)
    dead.parts.redis.delete(lane.key("lease"))  # it expired
    dead.work()
    assert dead.job(job_id).counts == {"delivered": 30}
    assert dead.account().delivered == 30
    assert not dead.parts.redis.exists(lane.key("flight")), "live events are under no suspicion"


def test_a_stalled_turn_changes_nothing_when_it_wakes(dead):
    """A settle under a lease that went to another is refused whole."""
    from worker.errors import LeaseLostError

    bury(dead, event(1, "BAD"))
    job_id = dead.start(dead.letters())
    lane, letter = Lane("app", "production", dead.letters()[0].shard), dead.letters()[0]
    dead.parts.serving.lanes(LetterLanes).take(lane, job_id, "stalled", 100, overtake=False)
    dead.parts.redis.set(lane.key("lease"), "another")
    with pytest.raises(LeaseLostError):
        dead.parts.serving.lanes(LetterLanes).settle(
            lane, job_id, "stalled", [(letter.id, letter, None)], {"k": b"v"}, 0
        )
    assert dead.account().dead == 1
    assert not dead.parts.redis.exists("k")


def test_a_settle_that_is_repeated_counts_once(dead):
    """The answer was lost and the client asks again: the turn is over already, and nothing moves twice."""
    from worker.errors import LeaseLostError

    bury(dead, event(1, "BAD"))
    letter = dead.letters()[0]
    job_id = dead.start([letter])
    lane = Lane("app", "production", letter.shard)
    dead.parts.serving.lanes(LetterLanes).take(lane, job_id, "t", 100, overtake=False)
    dead.parts.serving.lanes(LetterLanes).settle(lane, job_id, "t", [(letter.id, letter, None)], {}, 0)
    with pytest.raises(LeaseLostError):
        dead.parts.serving.lanes(LetterLanes).settle(lane, job_id, "t", [(letter.id, letter, None)], {}, 0)
    assert (dead.account().delivered, dead.account().dead) == (1, 0)


def test_a_letter_that_kills_its_worker_is_found_and_named(dead, monkeypatch):
    """Smaller and smaller turns, then alone, then it is dead of that; all the others are delivered."""
    bury(dead, *[event(3, "BAD", event_id=str(n), kill=n == 17) for n in range(40)])
    decide = Mapper.decide

    class Killed(BaseException):
        """The process is gone."""

    def lethal(self, one, *facts):
        if one.payload.get("kill"):
            raise Killed
        return decide(self, one, *facts)

    monkeypatch.setattr(Mapper, "decide", lethal)
    monkeypatch.setattr(Holders, "may_live", lambda *_: [])  # this process only plays dead
    job_id = dead.start(dead.letters())
    deaths = 0
    while dead.job(job_id).state == "running":
        try:
            dead.work()
        except Killed:
            deaths += 1
            assert deaths < 10
            # what expires when a process is gone
            dead.parts.redis.delete(*[lane.key("lease") for lane in LANES], f"relay:{{jobs}}:lease:{job_id}")
    assert dead.job(job_id).counts == {"delivered": 39, "dead": 1}
    assert [(one.reason, one.replays) for one in dead.letters()] == [("crashed_worker", 1)]
    assert deaths == 4
    assert dead.account().dead == 1


@pytest.mark.parametrize("speaks", [True, False])
def test_letters_whose_holders_lose_the_lease_and_live_are_delivered(dead, monkeypatch, speaks):
    """Again and again, in two jobs: who lives says so; until all have, their letter waits, and is then delivered."""
    bury(dead, event(3, "BAD"))
    (letter,), lane = dead.letters(), Lane("app", "production", dead.letters()[0].shard)
    losses, decide = [0] * 12, Mapper.decide

    def slow(self, *facts):
        if losses:
            losses.pop()
            dead.parts.redis.delete(lane.key("lease"))  # it expired
        return decide(self, *facts)

    monkeypatch.setattr(Mapper, "decide", slow)
    jobs = [dead.job(dead.start([letter])) for _ in range(2)]
    for n in range(12):
        dead.parts.serving._turns(Stop(), jobs[n % 2], "production", letter.shard, lambda: None).turn(100)
        if speaks:
            dead.parts.holders.speak()
    dead.parts.holders.speak()
    losses.clear()
    dead.work()
    assert (dead.letters(), dead.account().delivered, dead.account().dead) == ([], 1, 0)


def test_a_letter_beside_one_that_kills_is_not_taken_for_it(dead, monkeypatch):
    """Threads die together: what its holder was killed at, while it waited for Customer.io, was another lane's."""
    bury(dead, event(3, "BAD"))
    job_id, left, batch = dead.start(dead.letters()), [0] * 5, TrackApi.batch

    class Killed(BaseException):
        """The process is gone."""

    def beside(self, body):
        if left:
            left.pop()
            raise Killed
        return batch(self, body)

    monkeypatch.setattr(TrackApi, "batch", beside)
    while dead.job(job_id).state == "running":
        with suppress(Killed):
            dead.work()
        if left:
            dead.parts.redis.delete(*[lane.key("lease") for lane in LANES], f"relay:{{jobs}}:lease:{job_id}")
    assert dead.job(job_id).counts == {"delivered": 1}


def test_of_letters_and_events_one_at_a_time_is_decided_after_deaths(dead, monkeypatch):
    """A letter that kills all threads does not leave an event behind that looks as if it had done so."""
    bury(dead, event(3, "BAD"))
    lane = Lane("app", "production", dead.letters()[0].shard)
    job_id = dead.start(dead.letters())
    lanes = dead.parts.serving.lanes(LetterLanes)
    for death in range(2):
        lanes.take(lane, job_id, f"former-{death}", 100, overtake=False)
        dead.parts.redis.delete(lane.key("lease"))
    noted, decide = [], Mapper.decide

    def look(self, one, *facts):
        noted.append((_DECIDING.locked(), dead.parts.redis.hget(lane.key("inhand"), "phase")))
        return decide(self, one, *facts)

    monkeypatch.setattr(Mapper, "decide", look)
    dead.work()
    assert noted == [(True, b"mapping")]
    assert dead.job(job_id).counts == {"delivered": 1}


@pytest.mark.parametrize("stage", ["decide", "compose"])
def test_a_letter_that_the_mapping_fails_at_fails_again_alone(dead, monkeypatch, stage):
    """At once, within the first turns; all the others are delivered and no worker is taken for killed."""
    bury(dead, *[event(3, "BAD", event_id=str(n), bug=n == 17) for n in range(40)])
    real = getattr(Mapper, stage)

    def bugged(self, one, *facts):
        if any(b'"bug":true' in run.raw for run in (one if stage == "compose" else [one])):
            raise AttributeError
        return real(self, one, *facts)

    monkeypatch.setattr(Mapper, stage, bugged)
    job = dead.replay()
    assert (job.state, job.counts) == ("done", {"delivered": 39, "dead": 1})
    assert [(one.reason, one.event_id) for one in dead.letters()] == [("crashed_mapping", "17")]
    assert dead.account().dead == 1


def test_a_job_of_an_integration_that_is_gone_waits_and_says_so(dead):
    """The file has no such integration any more: its letters cannot be sent, and are not lost."""
    bury(dead, event(1, "BAD"))
    job_id = dead.start(dead.letters())
    dead.restart(("[integrations.production", "[integrations.renamed"))
    dead.parts.join()
    dead.work(within_s=0.5)
    assert dead.task(job_id, "first") is None
    assert dead.job(job_id).message == "production is not in the integrations file"
    assert dead.parts.known_integrations() == ["renamed", "production"]
    assert dead.job(job_id).left == 1


def test_a_batch_of_large_letters_is_split_to_fit(dead):
    """Letters that together exceed a request are sent in several."""
    bury(dead, *[event(4, "BAD", event_id=str(n), blob=["x" * 900] * 30) for n in range(60)])
    assert dead.replay().counts == {"delivered": 60}
    assert len(dead.arrived()) == 60


def test_a_job_that_is_done_leaves_nothing_on_the_lanes(dead):
    """Whatever a job kept in Redis for its work is gone with it; its record stays."""
    bury(dead, event(1, "BAD"))
    job = dead.replay()
    keys = [job_part_key(lane.shard, kind, "production", job.id) for lane in LANES for kind in ("replay", "replayed")]
    assert dead.parts.redis.exists(*keys) == 0
    assert dead.parts.jobs.open() == []
    assert isinstance(dead.parts.jobs.get(job.id), Job)
