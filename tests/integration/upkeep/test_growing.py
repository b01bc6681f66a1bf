"""Growth of the number of shards, step by step and broken off anywhere: people, their states and dead letters."""

import signal
from functools import partial
from itertools import count
from pathlib import Path

import orjson
import pytest
import redis

import worker.acts.resharding as resharding_module
import worker.upkeep.growing as growing_module
from tests.support.deadstack import event, opened
from tests.support.servers import OwnRedis
from tests.support.waiting import until
from worker.acts.rebuilding import rebuild
from worker.acts.record import Doer
from worker.acts.replaying import look_back, new_job
from worker.acts.resharding import alone, look_ahead, reshard
from worker.dead.letter import event_of, identity_of
from worker.errors import OperatorError
from worker.history.backfill import Wanted
from worker.history.room import open_history
from worker.ledger.figures import Ledger
from worker.mapping.identity import state_name
from worker.people.person import decode
from worker.purchasely.person import shard_of
from worker.store.actions import Actions
from worker.store.copied import write_copied
from worker.store.keys import person_key
from worker.store.layout import closed_lanes, read_layout
from worker.store.processes import Process
from worker.upkeep.forget import forget
from worker.upkeep.growing import Growing

PEOPLE = range(24)
SECOND_AND_THIRD = (("second", 1_760_000_800_000), ("third", 1_760_000_900_000))


class PowerCutError(Exception):
    """The process ends here."""


def end_here(*_, **__):
    raise PowerCutError


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay with four shards, worked by hand; events of 24 people are delivered."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.deliver(*(event(number) for number in PEOPLE))
        yield stack


def states(stack):
    """The shards where each person's state is."""
    found = {}
    for key in stack.parts.redis.keys("relay:{*}:person:production:*"):
        name = decode(stack.parts.redis.get(key)).user_id[1]
        found.setdefault(name, []).append(int(key[7 : key.index(b"}")]))
    return found


def home(number, shards=12):
    return shard_of(f"user-{number}", shards)


def grow(stack, shards=12):
    growing = Growing(stack.parts)
    growing.begin(shards)
    found = growing.step()
    assert found.done, found
    return found


def plans(stack):
    """What Customer.io knows of each person's plan."""
    people = stack.simulator.workspace()[1].people
    return {people.find("id", f"user-{number}").attributes.get("plan") for number in PEOPLE}


def closed(stack):
    return closed_lanes(stack.parts.redis, stack.parts.lanes())


def test_everybody_is_served_where_they_are_now(stack):
    """States go where the people go and nowhere else, with their lives; what was known stays known."""
    assert states(stack) == {f"user-{number}": [home(number, 4)] for number in PEOPLE}
    moved = sum(home(number) != home(number, 4) for number in PEOPLE)
    found = grow(stack)
    assert (found.states, found.lanes, found.opened) == (moved, 8, 8)
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}
    key = stack.parts.redis.keys("relay:{*}:person:production:*")[0]
    assert 34_000_000 < stack.parts.redis.ttl(key) <= 34_560_000
    # older than what is known: the states say so, and nobody goes backwards
    stack.deliver(*(event(number, "ACTIVATE", event_created_at_ms=1_700_000_000_000, plan="old") for number in PEOPLE))
    assert (plans(stack), stack.account().delivered) == ({"monthly"}, 2 * len(PEOPLE))


def test_new_shards_wait_for_what_was_stored_before(stack):
    """Events of both times are delivered in order; people who stay are served all the time."""
    sooner, later = ({"plan": plan, "event_created_at_ms": at_ms} for plan, at_ms in SECOND_AND_THIRD)
    stack.append(*(event(number, "ACTIVATE", **sooner) for number in PEOPLE))
    growing = Growing(stack.parts)
    growing.begin(12)
    found = growing.step()
    assert (found.done, found.opened, [(one.integration, one.waiting) for one in found.behind]) == (
        False,
        0,
        [("production", len(PEOPLE))],
    )
    stack.append(*(event(number, "SUBSCRIPTION_CANCELLED", **later) for number in PEOPLE))
    ended = [stack.parts.delivery(lane, stack.stop).run("t") for lane in stack.parts.lanes() if lane.shard >= 4]
    assert set(ended) == {"held"}
    stack.deliver()
    assert growing.step().done
    stack.deliver()
    codes = {}
    for one in stack.arrived():
        told = orjson.loads(bytes(one.attributes))
        codes.setdefault(told["user_id"], []).append(told["event_name"])
    order = ["SUBSCRIPTION_RENEWED", "ACTIVATE", "SUBSCRIPTION_CANCELLED"]
    assert codes == {f"user-{number}": order for number in PEOPLE}
    assert plans(stack) == {"third"}
    assert stack.account().waiting == 0


@pytest.mark.parametrize(
    "last",
    ["write_layout", "tell_shards", "note_barriers", "move_states", "open_lanes", "open_shards"],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_growth_that_was_broken_off_goes_on(stack, monkeypatch, last, when):
    """Killed before or behind any step: the next command ends it, and nothing is there twice."""
    stack.append(*(event(number, "ACTIVATE") for number in PEOPLE))
    stack.deliver()
    with monkeypatch.context() as cut:
        real = getattr(growing_module, last)

        def ending(*args):
            if when == "after":
                real(*args)
            raise PowerCutError

        cut.setattr(growing_module, last, ending)
        growing = Growing(stack.parts)
        with pytest.raises(PowerCutError):
            growing.begin(12)
            growing.step()
    stack.restart()
    reshard(stack.parts, look_ahead(stack.parts, 12), Doer("me"), lambda _: None)
    assert (stack.parts.layout.shards, stack.parts.layout.moving) == (12, False)
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}
    assert closed(stack) == []
    stack.deliver(*(event(number, "SUBSCRIPTION_CANCELLED") for number in PEOPLE))
    assert stack.account().delivered == 3 * len(PEOPLE)


@pytest.mark.parametrize("moment", range(1, 8))
def test_the_command_rides_over_a_fail_over(stack, monkeypatch, moment):
    """Redis is away for a while at any step, and the server that takes over knows nothing of the growth yet."""
    stack.append(*(event(number, "ACTIVATE") for number in PEOPLE))
    stack.deliver()
    real, steps, told = Growing.step, count(1), []
    former = {key: stack.parts.redis.dump(key) for key in stack.parts.redis.scan_iter("*")}

    def step(growing):
        if next(steps) == moment:
            stack.parts.redis.flushall()
            for key, dumped in former.items():
                stack.parts.redis.restore(key, 0, dumped)
            raise redis.ConnectionError
        found = real(growing)
        if moment > 1 and next(steps) == moment:
            raise redis.exceptions.ReadOnlyError
        return found

    monkeypatch.setattr(Growing, "step", step)
    reshard(stack.parts, look_ahead(stack.parts, 12), Doer("me"), told.append, sleep=lambda _: None)
    assert (stack.parts.layout.shards, stack.parts.layout.moving) == (12, False)
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}
    assert closed(stack) == []
    assert {one.away for one in told} <= {"", "ConnectionError", "ReadOnlyError"}


def test_it_is_done_when_a_replica_has_it(tmp_path, own_redis, customerio, monkeypatch):
    """While the replica is frozen the growth is under way: a server that takes over must not close what was open."""
    monkeypatch.setattr(growing_module, "write_copied", partial(write_copied, within_ms=100))
    primary, replica = own_redis(), OwnRedis(tmp_path / "replica", {})
    replica.follow(primary)
    replica.start()
    try:
        with opened(tmp_path, primary.url, customerio) as stack:
            stack.deliver(*(event(number) for number in PEOPLE))
            until(lambda: stack.parts.redis.wait(1, 1000), "the replica follows")
            replica.send_signal(signal.SIGSTOP)
            growing = Growing(stack.parts)
            growing.begin(12)
            found = growing.step()
            assert (found.done, found.copying, found.opened) == (False, True, 8)
            assert read_layout(stack.parts.redis).moving
            assert not growing.step().done
            replica.send_signal(signal.SIGCONT)
            assert until(lambda: (found := growing.step()).done and found, "it is done").states > 0
            assert not read_layout(stack.parts.redis).moving
    finally:
        replica.stop()


def test_a_redis_that_stays_away_ends_the_command(stack, monkeypatch):
    """After two minutes: what there is to do is a person's now."""
    moments = count(0, 50)
    monkeypatch.setattr("worker.acts.resharding.time.monotonic", lambda: float(next(moments)))
    monkeypatch.setattr(Growing, "step", lambda _: (_ for _ in ()).throw(redis.ConnectionError))
    with pytest.raises(redis.ConnectionError):
        reshard(stack.parts, look_ahead(stack.parts, 12), Doer("me"), lambda _: None, sleep=lambda _: None)


def test_states_half_way_are_neither_lost_nor_old(stack, monkeypatch):
    """Killed between the copies and the deletions of a page."""
    growing = Growing(stack.parts)
    growing.begin(12)
    with monkeypatch.context() as cut:
        cut.setattr("redis.client.Pipeline.unlink", end_here)
        with pytest.raises(PowerCutError):
            growing.step()
    assert any(len(where) == 2 for where in states(stack).values())
    assert Growing(stack.parts).step().done
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}


def test_dead_letters_go_where_their_people_go(stack):
    """With their identity; the books balance on both shards, and a replay learns from the state at home."""
    stack.deliver(*(event(number, "BAD", event_name="") for number in PEOPLE))
    letters = stack.letters()
    assert len(letters) == len(PEOPLE)
    ulids = {letter.person: identity_of(event_of(letter)) for letter in letters}
    grow(stack)
    moved = stack.letters()
    assert {letter.person: letter.shard for letter in moved} == {f"user-{number}": home(number) for number in PEOPLE}
    assert {letter.person: identity_of(event_of(letter)) for letter in moved} == ulids
    assert stack.account().dead == len(PEOPLE)


def test_a_letter_that_was_written_twice_is_one(stack, monkeypatch):
    """Killed between the new letter and the removal of the old one."""
    stack.deliver(event(1, "BAD", event_name=""))
    (letter,) = stack.letters()
    other, changes = (letter.shard + 1) % 4, stack.parts.dead_changes
    with monkeypatch.context() as cut:
        cut.setattr(changes, "_take_off", end_here)
        with pytest.raises(PowerCutError):
            changes.rehome(letter, other)
    assert changes.rehome(letter, other) == "done"
    assert [one.shard for one in stack.letters()] == [other]
    assert stack.account().dead == 1


def test_a_hold_is_one_on_new_shards_too(stack):
    """Its lanes are opened when it has ended and what waited is delivered; nobody else waits for it."""
    stack.parts.holds.hold("production", "operator", 1)
    stack.append(*(event(number, "ACTIVATE") for number in PEOPLE))
    growing = Growing(stack.parts)
    growing.begin(12)
    found = growing.step()
    assert (found.opened, found.behind[0].held) == (0, True)
    stack.parts.holds.resume("production", "operator")
    stack.deliver()
    stack.parts.holds.hold("production", "operator", 1)
    assert growing.step().done
    assert all(stack.parts.redis.exists(lane.key("hold")) for lane in stack.parts.lanes())


def test_a_damaged_state_that_a_growth_waits_for_is_made_again(stack):
    """It held its integration, which the growth waited for, and was only to be made again when that had ended."""
    key = stack.parts.redis.keys("relay:{*}:person:production:*")[0]
    stack.parts.redis.set(key, b"damaged")
    sooner, _ = ({"plan": plan, "event_created_at_ms": at_ms} for plan, at_ms in SECOND_AND_THIRD)
    stack.append(*(event(number, "ACTIVATE", **sooner) for number in PEOPLE))
    growing = Growing(stack.parts)
    growing.begin(12)
    growing.step()
    stack.deliver()
    assert growing.step().behind[0].held
    assert len(rebuild(stack.parts, "production", Doer("me")).rebuilt) == 1
    stack.parts.holds.resume("production", "operator")
    stack.deliver()
    assert growing.step().done
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}
    assert plans(stack) == {"second"}


def test_nothing_is_made_again_while_a_growth_moves_states(stack, monkeypatch):
    """The command on growing is named, and what to do with it."""
    with alone(stack.parts, "another", lambda _: None):
        monkeypatch.setattr(resharding_module, "_LEASE_S", 0.1)
        with pytest.raises(OperatorError, match="a `relay reshard` is at work: wait for it, or end it"):
            rebuild(stack.parts, "production", Doer("me"))


def test_jobs_end_first_and_none_begins_meanwhile(stack):
    """They send what is on former shards by the states that are there."""
    stack.deliver(event(1, "BAD", event_name=""))
    job_id = stack.start(stack.letters())
    growing = Growing(stack.parts)
    growing.begin(12)
    assert growing.step().jobs == [job_id]
    letters = stack.letters()
    with pytest.raises(OperatorError, match=r"growing to 12.*`relay reshard 12`"):
        stack.start(letters)
    with pytest.raises(OperatorError, match=r"growing to 12.*`relay reshard 12`"):
        forget(stack.parts, "user-1")
    stack.work()
    assert growing.step().done
    forget(stack.parts, "user-1")
    assert "user-1" not in states(stack)


def test_an_integration_with_its_own_chain_knows_people_wherever_they_are_asked_for(stack):
    """What decides the shard is not what names the state: each shard that may be asked for it has it."""
    chain = '[integrations.production.identity]\nid = ["customer"]\n\n[integrations.production.events]'
    stack.restart(("[integrations.production.events]", chain))
    stack.deliver(event(99, customer="c-1"))
    grow(stack)
    assert sorted(states(stack)["user-99"]) == [home(99, 4), home(99, 4) + 4, home(99, 4) + 8]


def test_what_is_replayed_is_sent_by_the_state_of_now(stack):
    """Events of before, of people who moved: on the lane where they are, and nobody goes backwards."""
    stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
    stack.deliver(*(event(number, "ACTIVATE", event_created_at_ms=1_750_000_000_000, plan="old") for number in PEOPLE))
    grow(stack)
    stack.restart(("\nACTIVATE = false", ""))
    stack.parts.check_store()
    work, chosen = look_back(stack.parts, "production", Wanted())
    moved = [number for number in PEOPLE if home(number) != home(number, 4)]
    assert (work.plan.would_send, len(chosen.carried)) == (len(PEOPLE), len(moved))
    job = new_job("events", Doer("me"), "", ["production"], len(chosen.ids), 0)
    stack.parts.jobs.start(job, chosen.ids, chosen.carried)
    stack.work()
    assert stack.job(job.id).counts == {"delivered": len(PEOPLE)}
    assert (plans(stack), len(stack.arrived())) == ({"monthly"}, 2 * len(PEOPLE))
    assert states(stack) == {f"user-{number}": [home(number)] for number in PEOPLE}
    stack.account()


def test_the_past_of_a_person_is_one(stack):
    """Events of before are found on the former shard, the properties where the state is now."""
    grow(stack)
    number = next(number for number in PEOPLE if home(number) != home(number, 4))
    before = open_history(stack.parts).person(f"user-{number}", 10, None)
    assert [item.event.event_id for item in before.items] == [f"event-{number}-SUBSCRIPTION_RENEWED"]
    assert before.properties["production"]["plan"].value == "monthly"
    stack.deliver(event(number, "ACTIVATE", plan="yearly", event_created_at_ms=1_760_000_900_000))
    after = open_history(stack.parts).person(f"user-{number}", 10, None)
    names = [item.event.event_name for item in after.items]
    assert names == ["ACTIVATE", "SUBSCRIPTION_RENEWED"]
    assert after.properties["production"]["plan"].value == "yearly"


def test_a_growth_in_a_growth(stack):
    """Four, eight, twenty-four: people come along twice."""
    grow(stack, 8)
    grow(stack, 24)
    assert states(stack) == {f"user-{number}": [home(number, 24)] for number in PEOPLE}
    assert stack.parts.layout.formerly == (8, 4)
    assert len(open_history(stack.parts).person("user-5", 10, None).items) == 1


@pytest.mark.parametrize(("to", "why"), [(2, "no whole multiple"), (6, "no whole multiple"), (8192, "up to 4096")])
def test_a_number_that_cannot_be_reached_is_refused(stack, to, why):
    """In one line that names some that can."""
    with pytest.raises(OperatorError, match=why) as refused:
        look_ahead(stack.parts, to)
    assert "8, 12, 16" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_another_number_is_refused_until_the_growth_is_done(stack):
    """There is one at a time."""
    Growing(stack.parts).begin(12)
    with pytest.raises(OperatorError, match="run `relay reshard 12` first"):
        look_ahead(stack.parts, 8)
    assert look_ahead(stack.parts, 12).moving


def test_the_plan_says_what_waits(stack):
    """Nothing is changed by it."""
    stack.append(event(1, "ACTIVATE"))
    stack.parts.holds.hold("production", "operator", 1)
    growth = look_ahead(stack.parts, 16)
    assert (growth.shards, growth.to, growth.moving, growth.waiting) == (4, 16, False, {"production": 1})
    assert (growth.held, growth.stops, growth.jobs) == (["production"], [], [])
    assert not stack.parts.redis.exists("relay:layout")


def test_processes_of_an_earlier_release_keep_it_from_beginning(stack):
    """They would go on storing by the former number."""
    stack.parts.processes.beat(Process("h", 1, "web", "0.1", 1, 1))
    growth = look_ahead(stack.parts, 8)
    assert len(growth.stops) == 1
    with pytest.raises(OperatorError, match="earlier release"):
        reshard(stack.parts, growth, Doer("me"), lambda _: None)
    assert not stack.parts.redis.exists("relay:layout")


def test_it_is_kept_who_did_it(stack):
    """Begun and done."""
    reshard(stack.parts, look_ahead(stack.parts, 8), Doer("ada", "more people"), lambda _: None)
    found = Actions(stack.parts.redis).newest(0, 10)
    assert [(one.by, one.what, one.on) for one in found] == [("ada", "reshard", "4 to 8 shards")] * 2
    assert found[0].result.startswith("done, ")
    assert Ledger(stack.parts).audit().findings == []


def test_on_a_redis_cluster_people_move_between_nodes(tmp_path, own_cluster, customerio):
    """States, dead letters and marks of lanes on nodes of their own."""
    with opened(tmp_path, own_cluster().url, customerio) as stack:
        stack.deliver(*(event(number) for number in PEOPLE))
        stack.deliver(*(event(number, "BAD", event_name="") for number in PEOPLE))
        reshard(stack.parts, look_ahead(stack.parts, 12), Doer("me"), lambda _: None)
        where = {f"user-{number}": [home(number)] for number in PEOPLE}
        names = [person_key(shard, "production", state_name("id", user)) for user, (shard,) in where.items()]
        assert stack.parts.redis.exists(*names) == len(PEOPLE)
        assert {letter.person: [letter.shard] for letter in stack.letters()} == where
        stack.deliver(*(event(number, "ACTIVATE") for number in PEOPLE))
        account = stack.account()
        assert (account.delivered, account.dead) == (2 * len(PEOPLE), len(PEOPLE))
