"""Nobody waits for somebody else's trouble: long backlogs yield, and a dead destination stops only itself."""

import json
import threading

import pytest

from tests.support.hostile import Hostile
from tests.support.payloads import payload
from tests.support.stack import DEFAULT_INTEGRATION
from tests.support.waiting import until
from worker.purchasely.person import shard_of

SECOND = """
[integrations.second]
source = "app"
region = "eu"
site_id = "env:T_SITE"
api_key = "env:T_KEY"
base_url = "{dead}"
environments = ["PRODUCTION", "SANDBOX"]

[integrations.second.events]
"*" = true
"""


def person_on(shard, shards):
    return next(person for n in range(1000) if shard_of(person := f"user-{n}", shards) == shard)


def arrived(stack, person):
    return [event for event in stack.arrived() if event["person"] == {"id": person}]


def test_a_long_backlog_lets_others_have_their_turn(make_stack):
    """One worker child, one shard with a long row of slow requests to go: another shard's event comes in between."""
    stack = make_stack(RELAY_SHARDS="2", RELAY_BATCH_EVENTS="5", RELAY_BUDGET_S="0.5")
    stack.start("simulator", "web", "beat").start_as("worker", "worker", concurrency=1)
    stack.faults(arm={"slow": {"probability": 1}}, slow_s=0.05)
    crowd, single = person_on(0, 2), person_on(1, 2)
    stack.post([payload("ACTIVATE", user_id=crowd, event_created_at_ms=1_760_000_000_000 + n) for n in range(300)])
    until(lambda: arrived(stack, crowd), "the backlog is at work")
    stack.webhook(payload("ACTIVATE", user_id=single))
    until(lambda: arrived(stack, single), "the other one arrives")
    assert len(arrived(stack, crowd)) < 300
    until(lambda: stack.account.delivered == 301, "all are delivered")


@pytest.mark.parametrize(("fault", "status"), [("refuse_event_names", 400), ("fail_event_names", 500)])
def test_one_event_that_spoils_its_batch_stops_nobody(make_stack, fault, status):
    """However slow Customer.io is against the time of one lease: it is found among hundreds, and buried."""
    stack = make_stack(RELAY_SHARDS="2", RELAY_BUDGET_S="0.1", RELAY_REQUEST_ATTEMPTS="2", RELAY_RETRY_MAX_S="0.1")
    stack.start("simulator", "web", "beat").start_as("worker", "worker", concurrency=1)
    stack.faults(arm={"slow": {"probability": 1}}, slow_s=0.05, **{fault: ["SPOILER"]})
    people = [f"user-{n}" for n in range(40)]
    events = [
        payload("ACTIVATE", user_id=people[n % 40], event_created_at_ms=1_760_000_000_000 + n, event_id=f"e{n}")
        for n in range(400)
    ]
    events[100] |= {"event_name": "SPOILER"}
    stack.post(events)
    until(lambda: stack.account.delivered == 399, "all others are delivered", within_s=60)
    until(lambda: stack.account.dead == 1, "it is buried")
    (letter,) = json.loads(stack.relay("dead", "list", "--json").stdout)["items"]
    assert (letter["event_id"], letter["reason"], letter["status"]) == ("e100", "rejected", status)
    assert stack.findings == []
    for person in people:
        ids = [int(event["attributes"]["event_id"][1:]) for event in arrived(stack, person)]
        assert ids == sorted(set(ids))


def silence(_caller):
    threading.Event().wait(60)


@pytest.mark.parametrize("dead", [silence, lambda caller: caller.reset()], ids=["silent", "reset"])
def test_a_dead_destination_stops_only_its_own_integration(make_stack, dead):
    """One worker child for both: the healthy integration goes on after at most one request that nobody answers."""
    with Hostile(dead) as hostile:
        stack = make_stack(
            integrations=DEFAULT_INTEGRATION + SECOND.replace("{dead}", hostile.url), RELAY_REQUEST_TIMEOUT_S="2"
        )
        stack.start("simulator", "web", "beat").start_as("worker", "worker", concurrency=1)
        for start in range(0, 100, 20):
            stack.post([payload("ACTIVATE", user_id=f"user-{n}") for n in range(start, start + 20)])
        until(lambda: stack.account.delivered == 100, "all are delivered", within_s=40)
        until(lambda: stack.books["second"].hold, "the dead one is held")
        second = stack.books["second"]
        assert (second.waiting, second.dead, second.hold.kind) == (100, 0, "unreachable")
        assert stack.account.hold is None
        assert stack.findings == []
