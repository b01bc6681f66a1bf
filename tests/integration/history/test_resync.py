"""`relay resync`: everyone known is identified again with their properties, and nothing else happens."""

import time
import uuid
from pathlib import Path

import pytest

from tests.support.deadstack import event, opened
from worker.history.people import known_people
from worker.ledger.figures import Ledger
from worker.replay.job import Job


@pytest.fixture
def stack(tmp_path: Path, redis_url, customerio):
    """A relay, worked by hand."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def resync(stack, person="", meanwhile=lambda: None):
    """A job on everyone known, worked off; `meanwhile` is what happens before it begins."""
    parts = stack.parts
    silent = parts.suppressed.people()
    integration = parts.integrations.integrations["production"]
    known = known_people(parts.redis, integration, parts.settings.shards, silent, person)
    meanwhile()
    now_ms = time.time_ns() // 1_000_000
    job = Job(f"resync-{uuid.uuid4().hex[:6]}", "test", "", ["production"], now_ms, 0, known.people, kind="people")
    parts.jobs.start_on(job, {("production", shard): digests for shard, digests in known.digests.items()})
    stack.work()
    return stack.job(job.id)


def attributes(stack, number):
    """A person's attributes at the simulator."""
    found = stack.simulator.workspace()[1].people.find("id", f"user-{number}")
    return found.attributes if found else None


def test_a_property_that_was_switched_on_reaches_everyone_known(stack):
    """Without an event of theirs; the books do not move and no event is sent."""
    stack.deliver(*[event(number, store="APPLE_APP_STORE") for number in range(150)])
    before, arrived = Ledger(stack.parts).accounts()[0], len(stack.arrived())
    assert "store" not in attributes(stack, 7)
    stack.restart(("plan = true", 'plan = true\nstore = "shop"'))
    job = resync(stack)
    assert (job.state, job.counts, job.matched) == ("done", {"delivered": 150}, 150)
    assert all(attributes(stack, number)["shop"] == "APPLE_APP_STORE" for number in range(150))
    assert len(stack.arrived()) == arrived
    assert stack.account() == before


def test_an_emptied_workspace_is_filled_with_everyones_properties(stack):
    """As into a new workspace."""
    stack.deliver(*[event(number) for number in range(20)])
    expected = [attributes(stack, number)["plan"] for number in range(20)]
    stack.simulator.reset()
    resync(stack)
    assert [attributes(stack, number)["plan"] for number in range(20)] == expected


def test_one_person_can_be_told_alone(stack):
    """By an identifier that the state knows, in any case for an address."""
    stack.deliver(event(1), event(2, customerio_user_email="Ann@X.io", user_id=None))
    stack.simulator.reset()
    assert resync(stack, "ann@x.IO").matched == 1
    assert resync(stack, "user-1").counts == {"delivered": 1}
    assert attributes(stack, 1)["plan"] == "monthly"


def test_nothing_is_sent_about_who_is_suppressed(stack):
    """By any identifier that the state has, before the job and while it waits; the books do not move."""
    stack.deliver(*[event(number, anonymous_user_id=f"device-{number}") for number in range(4)])
    stack.simulator.reset()
    stack.parts.suppressed.add("user-1")
    stack.parts.suppressed.add("device-3")
    before = stack.account()
    job = resync(stack, meanwhile=lambda: stack.parts.suppressed.add("user-2"))
    assert (job.state, job.matched, job.counts) == ("done", 2, {"delivered": 1, "filtered:suppressed": 1})
    assert [attributes(stack, number) is None for number in range(4)] == [False, True, True, True]
    assert stack.account() == before
    assert resync(stack, "user-1").matched == 0


def test_a_refused_identify_is_counted_and_the_others_are_told(stack):
    """The whole batch is refused, then split until the one is found."""
    stack.deliver(*[event(number) for number in range(9)])
    stack.restart(("plan = true", 'plan = "x"'))
    stack.faults("status_400", number=1)
    job = resync(stack)
    assert (job.state, sum(job.counts.values())) == ("done", 9)


def test_a_held_integration_holds_the_job(stack):
    """It goes on when the destination answers again."""
    stack.deliver(event(1))
    stack.faults("status_500", number=100)
    assert resync(stack).state == "running"
    assert stack.parts.holds.get(["production"])["production"].kind == "unreachable"


def test_a_state_of_an_older_release_is_said_to_be_nameless(stack):
    """It has no identifier to speak of; it is not guessed."""
    stack.deliver(event(1))
    parts = stack.parts
    (key,) = parts.redis.keys("relay:*:person:production:*")
    from worker.people.person import decode, encode

    state = decode(parts.redis.get(key))
    state.who = ""
    parts.redis.set(key, encode(state))
    integration = parts.integrations.integrations["production"]
    known = known_people(parts.redis, integration, parts.settings.shards, frozenset())
    assert (known.people, known.nameless) == (0, 1)
