"""The path of one event, through the Procfile's own processes."""

import pytest

from tests.support.payloads import history, payload
from tests.support.stack import CONTROLLED
from tests.support.waiting import until


def people_events(stack):
    """The event ids that arrived, in order, by person."""
    found = {}
    for event in stack.arrived():
        found.setdefault(event["person"]["id"], []).append(event["attributes"]["event_id"])
    return found


def test_one_event_in_is_one_event_out(stack):
    """A signed webhook becomes an event on the person, with its properties; the books and the simulator agree."""
    event = payload("SUBSCRIPTION_STARTED")
    answer = stack.webhook(event)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "duplicates": 0})
    (arrived,) = until(stack.arrived, "the event arrives")
    assert (arrived["name"], arrived["person"], arrived["timestamp"]) == (
        "SUBSCRIPTION_STARTED",
        {"id": "user_42"},
        event["event_created_at_ms"] // 1000,
    )
    assert arrived["attributes"] == event
    person = stack.inspect("people/id/user_42")
    assert person["attributes"] == {
        "plan": "monthly",
        "subscription_status": "AUTO_RENEWING",
        "has_active_subscription": True,
        "next_renewal_at": event["effective_next_renewal_at_ms"] // 1000,
        "last_event": "SUBSCRIPTION_STARTED",
    }
    until(lambda: stack.account.delivered, "it is settled")
    account = stack.account
    assert (account.accepted, account.delivered, account.dead, account.waiting) == (1, 1, 0, 0)
    stats = stack.inspect("stats")
    assert (stats["defects"], stats["duplicates"]) == (0, 0)
    assert stack.relay("audit").returncode == 0


def test_redeliveries_have_no_second_effect(stack):
    """Purchasely sends again what it believes lost: stored once, answered 200 each time."""
    event = payload("SUBSCRIPTION_RENEWED")
    assert [stack.webhook(event).json()["accepted"] for _ in range(3)] == [1, 0, 0]
    assert stack.post([event, payload("ACTIVATE")]).json() == {"accepted": 1, "duplicates": 1}
    until(lambda: len(stack.arrived()) == 2, "both arrive")
    assert stack.inspect("stats")["duplicates"] == 0
    assert stack.account.accepted == 2


def test_an_idle_shard_delivers_at_once(make_stack):
    """Wake-ups, not sweeps, carry events: each of twenty arrives long before the next sweep."""
    stack = make_stack(RELAY_SWEEP_INTERVAL_S="60").start()
    stack.webhook(payload("ACTIVATE", user_id="first"))
    until(stack.arrived, "the worker is up")
    for number in range(20):
        stack.webhook(payload("SUBSCRIPTION_STARTED", user_id=f"user-{number}"))
        until(lambda count=number + 2: len(stack.arrived()) == count, "it arrives", within_s=45, every_s=0.01)


def test_a_busy_shard_costs_few_messages(make_stack):
    """Thousands of events on one shard need a handful of tasks, not one each."""
    stack = make_stack(RELAY_SHARDS="1").start("simulator", "web", "beat")
    stack.start_as("worker", "worker", app=CONTROLLED)
    events = [payload("ACTIVATE", user_id=f"user-{number}") for number in range(2000)]
    for start in range(0, 2000, 200):
        assert stack.post(events[start : start + 200]).json()["accepted"] == 200
    until(lambda: stack.account.delivered == 2000, "all are delivered")
    ran = stack.task_counts()
    assert 1 <= ran["relay.deliver"] <= 40


@pytest.mark.parametrize("workers", [1, 2])
def test_people_keep_their_order(make_stack, workers):
    """Whole histories of many people on one shard, for one worker and for two: each once, in order, none at a time."""
    stack = make_stack(RELAY_SHARDS="1").start()
    if workers == 2:
        stack.start_as("worker-2", "worker")
    people = {f"user-{number}": history("ended", user_id=f"user-{number}") for number in range(60)}
    for turn in range(max(map(len, people.values()))):
        stack.post([events[turn] for events in people.values() if turn < len(events)])
    total = sum(map(len, people.values()))
    until(lambda: stack.account.delivered == total, "all are delivered")
    assert people_events(stack) == {who: [event["event_id"] for event in events] for who, events in people.items()}
    stats = stack.inspect("stats")
    assert (stats["events"], stats["defects"]) == (total, 0)
    assert stack.findings == []
