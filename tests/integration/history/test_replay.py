"""`relay replay`: what was never delivered is, once, in order; the books and the trail say so."""

import time
import uuid
from pathlib import Path

import msgspec
import pytest

from tests.support.deadstack import SHARDS, event, opened
from worker.acts.record import Doer
from worker.acts.replaying import look_at_one, send_one
from worker.cli.replay import told as in_words
from worker.dead.fates import Fates
from worker.errors import OperatorError
from worker.history.backfill import Backfill, Plan, Wanted
from worker.history.room import open_history
from worker.history.scan import Scan
from worker.ledger.figures import Ledger
from worker.purchasely.person import shard_of
from worker.replay.job import Job
from worker.store.lane import Lane
from worker.upkeep.forget import forget


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand, that takes no ACTIVATE."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.restart(('"*" = true', '"*" = true\nACTIVATE = false'))
        yield stack


def plan(stack, name="production", **wanted):
    """What a replay would do, and the ids."""
    parts = stack.parts
    work = Backfill(
        Scan(parts.redis),
        Fates(parts.redis),
        parts.mapper(parts.integrations.integrations[name]),
        parts.suppressed.people(),
        Wanted(**wanted),
    )
    ids = list(work.chosen(lane for lane in parts.lanes() if lane.integration == name))
    return work.plan, ids


def replay(stack, ids, name="production"):
    """A job on these events, worked off."""
    job = Job(
        f"replay-{uuid.uuid4().hex[:6]}", "test", "", [name], time.time_ns() // 1_000_000, 0, len(ids), kind="events"
    )
    stack.parts.jobs.start(job, ids)
    stack.work()
    return stack.job(job.id)


def outcome(stack, ident):
    """What a trace says of an event in the one integration."""
    room = open_history(stack.parts)
    (found,) = room.finder.event(ident)
    return room.tracer.trace(found).integrations[0].outcome


def books(stack, name="production"):
    """An integration's account, once the audit has nothing to say."""
    assert Ledger(stack.parts).audit().findings == []
    return next(one for one in Ledger(stack.parts).accounts() if one.integration == name)


def test_what_was_filtered_by_mistake_is_sent_when_the_filter_is_repaired(stack):
    """Each once, in the person's order; filtered becomes delivered in the books and in the trail."""
    stack.deliver(*[event(1, "ACTIVATE" if n % 2 else "RENEWAL_ENABLED", event_id=f"e{n}", n=n) for n in range(20)])
    assert plan(stack)[0].filtered == {"event_off": 10}
    stack.restart(("ACTIVATE = false", "ACTIVATE = true"))
    told, ids = plan(stack)
    assert (told.matched, told.would_send, told.already) == (20, 10, 10)
    job = replay(stack, ids)
    assert (job.state, job.counts) == ("done", {"delivered": 10})
    assert [msgspec.json.decode(one.attributes)["n"] for one in stack.arrived()][10:] == list(range(1, 20, 2))
    account = books(stack)
    assert (account.delivered, account.filtered) == (20, {"event_off": 0})
    assert outcome(stack, "e1") == "delivered"


def test_twice_is_once(stack):
    """A second replay finds nothing missing; and all of it again changes nothing at Customer.io or in the books."""
    stack.deliver(*[event(n) for n in range(10)])
    assert plan(stack)[1] == []
    told, ids = plan(stack, only="all")
    assert (told.would_send, told.delivered) == (10, 10)
    before = books(stack)
    assert replay(stack, ids).counts == {"delivered": 10}
    assert len(stack.arrived()) == 10
    assert msgspec.structs.replace(books(stack), latency={}) == msgspec.structs.replace(before, latency={})


def test_a_dead_letter_among_them_is_replayed_as_one(stack):
    """It leaves the dead letters."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(1, "BAD"), event(2))
    stack.faults()
    told, ids = plan(stack)
    assert (told.would_send, told.already) == (1, 1)
    assert replay(stack, ids).counts == {"delivered": 1}
    assert (books(stack).dead, books(stack).delivered) == (0, 2)
    assert stack.letters() == []


def test_what_customerio_refuses_becomes_a_dead_letter_once(stack):
    """Only if it was not delivered before; the books still balance."""
    stack.deliver(event(1, "ACTIVATE"), event(2, "RENEWAL_ENABLED"))
    stack.restart(("ACTIVATE = false", "ACTIVATE = true"))
    stack.faults(reject_event_names=frozenset({"ACTIVATE", "RENEWAL_ENABLED"}))
    job = replay(stack, plan(stack, only="all")[1])
    assert job.counts == {"dead": 1, "refused": 1}
    account = books(stack)
    assert (account.dead, account.delivered, account.filtered) == (1, 1, {"event_off": 0})
    assert [letter.event for letter in stack.letters()] == ["ACTIVATE"]


def test_what_was_delivered_stays_delivered_if_it_is_filtered_by_now(stack):
    """The code was switched off between the plan and the job: Customer.io has the event all the same."""
    stack.deliver(event(1, "RENEWAL_ENABLED", event_id="e1"))
    ids = plan(stack, only="all")[1]
    stack.restart(("ACTIVATE = false", "RENEWAL_ENABLED = false"))
    assert replay(stack, ids).counts == {"filtered:event_off": 1}
    assert (books(stack).delivered, books(stack).filtered.get("event_off", 0)) == (1, 0)
    assert outcome(stack, "e1") == "delivered"


def fates(stack, lane):
    """What became of each entry that is kept of a lane."""
    reader = Fates(stack.parts.redis)
    ids = [one.decode() for one, _ in stack.parts.redis.xrange(lane.key("events"))]
    return [reader.of(lane, one).outcome for one in ids]


def settled_before_a_dead_one(stack):
    """The lane of three people's events that were settled as one run: filtered, dead, delivered."""
    shard = shard_of("user-0", SHARDS)
    one, other, third = [n for n in range(100) if shard_of(f"user-{n}", SHARDS) == shard][:3]
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(one, "ACTIVATE"), event(other, "BAD"), event(third))
    stack.faults()
    return Lane("app", "production", shard), f"user-{other}"


def test_a_forgotten_dead_letter_leaves_the_codes_of_its_neighbours(stack):
    """Its entry was settled before it was deleted: the run has a code of it, and that is nobody else's."""
    lane, person = settled_before_a_dead_one(stack)
    forget(stack.parts, person)
    assert fates(stack, lane) == ["filtered", "delivered"]


def test_an_entry_forgotten_before_a_group_came_is_in_none_of_its_runs(stack):
    """A group that begins at the oldest event after a forgetting has no code of what was deleted before."""
    lane, person = settled_before_a_dead_one(stack)
    forget(stack.parts, person)
    stack.parts.redis.xgroup_destroy(lane.key("events"), lane.integration)
    stack.parts.streams.join(lane, "archive")
    stack.deliver()
    assert fates(stack, lane) == ["filtered", "delivered"]


def test_a_group_that_is_made_again_from_the_archive_begins_its_trail_again(stack):
    """Its books do: the former trail must not say of an event what the books do not count."""
    stack.deliver(event(1, "ACTIVATE"))
    (lane,) = [one for one in stack.parts.lanes() if stack.parts.redis.xlen(one.key("trail"))]
    stack.parts.redis.xgroup_destroy(lane.key("events"), lane.integration)
    stack.parts.streams.join(lane, "archive")
    assert fates(stack, lane) == ["waiting"]
    assert not stack.parts.redis.exists(lane.key("trail"), lane.key("changes"))


def test_a_group_that_is_made_again_from_now_on_has_counted_nothing_of_the_past(stack):
    """A replay of an event that its former books counted as filtered takes it from no count of the present ones."""
    stack.deliver(event(1, "ACTIVATE"))
    for lane in stack.parts.lanes():
        stack.parts.redis.xgroup_destroy(lane.key("events"), lane.integration)
        stack.parts.streams.join(lane, "now")
    stack.restart(("ACTIVATE = false", "ACTIVATE = true"))
    told, ids = plan(stack)
    assert told.would_send == 1
    assert replay(stack, ids).counts == {"delivered": 1}
    account = books(stack)
    assert (account.accepted, account.delivered, account.filtered) == (1, 1, {})


def test_a_replay_of_events_waits_while_there_are_too_many_dead_letters(stack):
    """One of dead letters is what ends that hold; one of retained events might add to them."""
    stack.deliver(event(1))
    stack.parts.holds.hold("production", "dead_limit", 1)
    assert replay(stack, plan(stack, only="all")[1]).left == 1
    stack.parts.holds.resume("production")
    stack.work()
    assert len(stack.arrived()) == 1


def test_the_plan_counts_every_event_once(stack):
    """Would be sent, delivered already, waiting, filtered, failing: they add up."""
    stack.deliver(event(1), event(2, "ACTIVATE"), event(3, event_created_at_ms=17), event(4))
    stack.append(event(5))
    told, ids = plan(stack, only="all")
    assert told == Plan(
        matched=5,
        would_send=2,
        delivered=2,
        waiting=1,
        late=2,
        people=2,
        filtered={"event_off": 1},
        failing={"invalid_time": 1},
    )
    assert len(ids) == 2


def test_a_replay_can_be_narrowed(stack):
    """By code, by person, by time."""
    stack.deliver(event(1), event(2, "RENEWAL_ENABLED"), event(3, "RENEWAL_ENABLED"))
    assert plan(stack, only="all", events=frozenset({"RENEWAL_ENABLED"}))[0].matched == 2
    assert plan(stack, only="all", person="user-3")[0].matched == 1


def test_a_mistyped_code_is_named_where_nothing_matches(stack):
    """It would read as if there were nothing to repair."""
    stack.deliver(event(1))
    lines = in_words(
        plan(stack, only="all", events=frozenset({"RENEWAL_DISABLD"}))[0], "production", ["RENEWAL_DISABLD"]
    )
    assert lines == [
        "no retained event matches",
        'RENEWAL_DISABLD is not in the catalogue; did you mean "RENEWAL_DISABLED"?',
    ]


def test_a_new_integration_is_filled_to_the_same_workspace(stack):
    """It joins now; back-filled, it has the events and states of one that was there from the start, what is off too."""
    codes = ("RENEWAL_ENABLED", "ACTIVATE", "SUBSCRIPTION_RENEWED")
    stack.deliver(*[event(n % 5, code, event_id=f"{n}-{code}", plan=f"p{n}") for n in range(10) for code in codes])
    text = stack.path.read_text()
    stack.path.write_text(text + text[text.index("[integrations.production]") :].replace("s.production", "s.second"))
    stack.restart()
    stack.parts.join()
    told, ids = plan(stack, "second")
    assert (told.would_send, told.filtered) == (20, {"event_off": 10})
    assert replay(stack, ids, "second").counts == {"delivered": 20, "filtered:event_off": 10}
    first, second = books(stack), books(stack, "second")
    assert (second.accepted, second.delivered, second.filtered) == (first.accepted, first.delivered, first.filtered)
    states = {}
    for name in ("production", "second"):
        for key in stack.parts.redis.keys(f"relay:*:person:{name}:*"):
            states.setdefault(key.decode().rsplit(":", 1)[1], []).append(stack.parts.redis.get(key))
    assert len(states) == 5
    assert all(one == other for one, other in states.values())


def test_an_event_of_the_past_whose_properties_are_refused_now_stays_delivered(stack):
    """The properties are a dead letter beside it."""
    stack.deliver(event(1))
    _, ids = plan(stack, only="all")
    stack.faults(reject_attributes=frozenset({"plan"}))
    assert replay(stack, ids).counts == {"dead": 1}
    account = books(stack)
    assert (account.accepted, account.delivered, account.dead, account.properties) == (1, 1, 0, 1)
    assert [one.reason for one in stack.letters()] == ["properties_rejected"]


def test_one_event_that_is_off_is_sent_by_its_id(stack, monkeypatch):
    """By `relay replay --id`: this one alone, under its code; the filter holds for all others, the books balance."""
    stack.deliver(event(1, "ACTIVATE"), event(2, "ACTIVATE", user_id="user-1"))
    monkeypatch.setattr("worker.app.relay", lambda: stack.parts)
    monkeypatch.setattr("worker.tasks.wake_job", lambda _, job_id: stack.jobs_woken.append(job_id))
    (found,) = open_history(stack.parts).finder.event("event-1-ACTIVATE")
    one = look_at_one(stack.parts, "production", found)
    assert (one.off_too, one.plan.would_send, one.plan.matched) == (True, 1, 1)
    job = send_one(stack.parts, "production", one, Doer("anna"))
    stack.work()
    assert stack.job(job.id).counts == {"delivered": 1}
    assert [one.name for one in stack.arrived()] == ["ACTIVATE"]
    assert (outcome(stack, "event-1-ACTIVATE"), outcome(stack, "event-2-ACTIVATE")) == ("delivered", "filtered")
    assert stack.account().delivered == 1
    with pytest.raises(OperatorError, match="no integration 'sandbox' takes this event; there are: production"):
        look_at_one(stack.parts, "sandbox", found)


def test_a_plan_asks_redis_a_few_times_for_each_settled_request(stack):
    """Events that came one by one are settled one by one: for each, the trail was searched by 20 questions."""
    requests = 30
    for n in range(requests):
        stack.deliver(event(1, "RENEWAL_ENABLED", event_id=f"e{n}", n=n))

    def asked():
        stats = stack.parts.redis.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("xrange", "zrange"))

    before = asked()
    assert plan(stack)[0].already == requests
    assert asked() - before < 5 * requests
