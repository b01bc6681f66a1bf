"""Two web doors give back what Redis lost, each for itself: another order may come of it, no other person."""

import json
import os
import signal

import pytest
import requests

from tests.support.payloads import payload
from tests.support.servers import free_port
from tests.support.stack import TOKEN, procfile
from tests.support.waiting import until

START_MS = 1_760_000_000_000
PERSON = "user-1"


@pytest.fixture
def stack(make_stack):
    """Two doors; `doors` are their addresses. No worker yet."""
    stack = make_stack().start("simulator", "web", "beat")
    port = free_port()
    stack.doors = [stack.web, f"http://127.0.0.1:{port}"]
    stack.spawn("web-2", procfile()["web"].replace("${PORT:-${RELAY_PORT:-8080}}", str(port)))
    until(lambda: is_ready(stack.doors[1]), "the second door answers")
    return stack


def is_ready(url):
    try:
        return requests.get(f"{url}/readyz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def send(door, minute):
    """The person's event of this minute, through a door; its id."""
    facts = {"plan": f"plan-{minute}", "purchasely_subscription_id": "sub-1"}
    event = payload("SUBSCRIPTION_RENEWED", user_id=PERSON, event_created_at_ms=START_MS + minute * 60_000, **facts)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.post(f"{door}/v1/events/app", json=event, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return event["event_id"]


@pytest.mark.parametrize("delivered_before", [False, True])
def test_what_comes_back_late_turns_nobody_back(stack, delivered_before):
    """The first door is frozen while the second one goes on: its older event comes last, with the time that it has."""
    first, second = stack.doors
    sent = {send(first, 0): 0, send(second, 1): 1}
    if delivered_before:  # then Customer.io knows them already, and takes each by its ULID once
        stack.start("worker")
        until(lambda: stack.account.delivered == 2, "both are delivered")
    os.killpg(stack.processes["web"].pid, signal.SIGSTOP)
    stack.parts.redis.flushall()
    until(lambda: any(stack.parts.redis.keys("relay:{*}:events:app")), "the second door gives its own back")
    sent[send(second, 2)] = 2
    if not delivered_before:
        stack.start("worker")
    until(lambda: stack.account.delivered == 2, "the second door's are delivered")
    os.killpg(stack.processes["web"].pid, signal.SIGCONT)
    until(lambda: stack.account.delivered == 3, "the first door's comes back")
    events = {one["attributes"]["event_id"]: one["timestamp"] for one in stack.arrived()}
    assert events == {event_id: (START_MS + minute * 60_000) // 1000 for event_id, minute in sent.items()}
    assert len(stack.arrived()) == 3
    if not delivered_before:
        assert [sent[one] for one in events] == [1, 2, 0]
    assert stack.inspect(f"people/id/{PERSON}")["attributes"]["plan"] == "plan-2"
    (source,) = json.loads(stack.relay("status", "--json").stdout)["sources"]
    assert (source["lost"], source["restored"]) == (2, 2)
    assert stack.findings == []
