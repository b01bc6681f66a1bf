"""Customer.io takes an event and refuses what it says of its person: real Redis, real sockets to the simulator."""

import pytest

from tests.support.deadstack import event, opened
from worker.history.room import open_history


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay whose Customer.io refuses the person's attribute `plan`; OFF is not sent."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.restart(('"*" = true\n', '"*" = true\nOFF = false\n'))
        stack.faults(reject_attributes=frozenset({"plan"}))
        yield stack


def sums(dead):
    """The books, which balance: accepted, delivered, filtered, dead, letters about properties."""
    account = dead.account()
    return (account.accepted, account.delivered, account.filtered, account.dead, account.properties)


def passed(dead, event_id):
    """What the trail says of an event."""
    room = open_history(dead.parts)
    (found,) = room.finder.event(event_id)
    (one,) = room.tracer.trace(found).integrations
    return one.outcome, one.reason, one.letter, one.message


def plan_of(dead, number):
    """A person's plan at the simulator."""
    found = dead.simulator.workspace()[1].people.find("id", f"user-{number}")
    return found.attributes.get("plan") if found else None


def test_an_event_whose_properties_are_refused_is_delivered(dead):
    """Three events, each refused identify a letter: three delivered, none dead, nothing counted twice."""
    for at in range(3):
        dead.deliver(event(1, event_id=f"e{at}", event_created_at_ms=1_760_000_000_000 + at * 1000))
    assert len(dead.arrived()) == 3
    assert sums(dead) == (3, 3, {}, 0, 3)
    assert {(one.reason, one.field, one.settled) for one in dead.letters()} == {
        ("properties_rejected", "attributes.plan", "delivered")
    }
    assert [len(one.operations) for one in dead.letters()] == [2, 2, 2]


def test_a_trace_says_that_the_event_arrived_and_its_properties_did_not(dead):
    """Support is asked why the profile is wrong, not why the event did not come."""
    dead.deliver(event(1))
    (letter,) = dead.letters()
    said = "invalid: is rejected by the simulator"
    assert passed(dead, letter.event_id) == ("delivered", "properties_rejected", letter.id, said)
    dead.faults()
    dead.replay()
    assert passed(dead, letter.event_id) == ("delivered", "", "", "")


def test_a_replay_sends_the_properties_as_they_are_then(dead):
    """Also of an event that is not the person's newest any more; the event has no second effect."""
    dead.deliver(event(1))
    dead.deliver(event(1, event_id="newer", event_created_at_ms=1_760_000_009_000, plan="yearly"))
    dead.faults()
    job = dead.replay(dead.letters()[:1])
    assert (job.counts, plan_of(dead, 1)) == ({"delivered": 1}, "yearly")
    assert sums(dead) == (2, 2, {}, 0, 1)
    dead.replay()
    assert sums(dead) == (2, 2, {}, 0, 0)
    assert len(dead.arrived()) == 2
    assert not [key for key in dead.parts.redis.keys("*dead*") if b"deadtrail" not in key]


def test_a_replay_that_is_refused_again_keeps_the_letter(dead):
    """And the event stays delivered, also when the event itself is refused this time."""
    dead.deliver(event(1, "BAD"))
    assert dead.replay().counts == {"dead": 1}
    (letter,) = dead.letters()
    assert (letter.reason, letter.replays, sums(dead)) == ("properties_rejected", 1, (1, 1, {}, 0, 1))
    dead.faults(reject_event_names=frozenset({"BAD"}))
    assert dead.replay().counts == {"dead": 1}
    (letter,) = dead.letters()
    assert (letter.reason, letter.settled, sums(dead)) == ("rejected", "delivered", (1, 1, {}, 0, 1))


def test_a_dead_event_that_a_replay_delivers_without_its_properties_leaves_dead(dead):
    """The letter stays, for the properties."""
    dead.faults(reject_event_names=frozenset({"BAD"}))
    dead.deliver(event(1, "BAD"))
    assert sums(dead) == (1, 0, {}, 1, 0)
    dead.faults(reject_attributes=frozenset({"plan"}))
    assert dead.replay().counts == {"dead": 1}
    (letter,) = dead.letters()
    assert (letter.reason, letter.settled, sums(dead)) == ("properties_rejected", "delivered", (1, 1, {}, 0, 1))
    assert passed(dead, letter.event_id)[:3] == ("delivered", "properties_rejected", letter.id)


def test_an_event_that_is_off_stays_filtered_and_its_properties_are_the_letter(dead):
    """A replay sends them although the state has known them since."""
    dead.deliver(event(1, "OFF"))
    (letter,) = dead.letters()
    assert (letter.reason, letter.settled) == ("properties_rejected", "filtered:event_off")
    assert sums(dead) == (1, 0, {"event_off": 1}, 0, 1)
    assert passed(dead, letter.event_id)[:3] == ("filtered", "event_off", letter.id)
    dead.faults()
    dead.replay()
    assert (plan_of(dead, 1), dead.arrived()) == ("monthly", [])
    assert sums(dead) == (1, 0, {"event_off": 1}, 0, 0)


def test_a_batch_of_nothing_but_refused_properties_may_be_a_400(dead):
    """Undocumented: it is the same refusal, and no event is dead."""
    dead.faults("status_400")
    dead.deliver(event(1, "OFF"))
    assert sums(dead) == (1, 0, {"event_off": 1}, 0, 1)


def test_a_whole_refusal_is_asked_again_without_the_properties(dead):
    """A 400 names no item; the event by itself is taken, live and in a replay."""
    dead.faults("status_400")
    dead.deliver(event(1))
    (letter,) = dead.letters()
    assert (letter.reason, letter.status, sums(dead)) == ("properties_rejected", 400, (1, 1, {}, 0, 1))
    assert [one["status"] for one in letter.attempts] == [400, 200]
    dead.faults("status_400")
    assert dead.replay().counts == {"dead": 1}
    (letter,) = dead.letters()
    assert (letter.reason, letter.replays, sums(dead)) == ("properties_rejected", 1, (1, 1, {}, 0, 1))
    assert len(dead.arrived()) == 1


@pytest.mark.parametrize("how", ["discard", "forget", "move"])
def test_whatever_takes_the_letter_away_leaves_the_event_as_it_was(dead, how):
    """Discarded, forgotten or moved by an edit: one event, delivered."""
    dead.deliver(event(1))
    (letter,) = dead.letters()
    changes = dead.parts.dead_changes
    if how == "discard":
        assert [change for _, change in changes.discard([letter], "no use", "me")] == ["done"]
    elif how == "forget":
        assert changes.forget("production", "user-1") == 1
    else:
        changes.move(letter, letter, (letter.shard + 1) % 4)
    left = int(how == "move")
    assert (sums(dead), len(dead.letters())) == ((1, 1, {}, 0, left), left)


def test_an_imported_letter_about_properties_is_no_accepted_event(dead):
    """Its event is on the books already."""
    dead.deliver(event(1))
    (letter,) = dead.letters()
    dead.parts.dead_changes.forget("production", "user-1")
    assert dead.parts.dead_changes.restore(letter)
    assert sums(dead) == (1, 1, {}, 0, 1)


def test_letters_about_properties_outlive_a_lost_group(dead):
    """The new group's books count its dead events alone."""
    dead.deliver(event(1))
    (letter,) = dead.letters()
    redis = dead.parts.redis
    redis.xgroup_destroy(f"relay:{{{letter.shard}}}:events:app", "production")
    dead.parts.join()
    account = dead.account()
    assert (account.accepted, account.delivered, account.dead, account.properties) == (0, 0, 0, 1)
