"""What goes wrong around the relay: refusals, outages, held integrations, servers that are emptied, full or killed."""

import base64
import json
import uuid
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from celery import Celery

from tests.support.payloads import payload
from tests.support.stack import CONTROLLED
from tests.support.waiting import until


def send(stack, count, start=0):
    """Store so many events of as many people; their ids."""
    events = [payload("SUBSCRIPTION_STARTED", user_id=f"user-{number}") for number in range(start, start + count)]
    assert stack.post(events).status_code == 200
    return [event["event_id"] for event in events]


def arrived(stack):
    return sorted(event["attributes"]["event_id"] for event in stack.arrived())


def test_an_outage_of_some_requests_is_ridden_over(stack):
    """503 twice, then success: no hold, no dead letter, one effect."""
    stack.faults(arm={"status_503": {"next": 2}})
    ids = send(stack, 3)
    until(lambda: arrived(stack) == sorted(ids), "all arrive")
    until(lambda: stack.account.delivered == 3, "all are settled")
    assert (stack.account.dead, stack.inspect("stats")["faults"]) == (0, {"status_503": 2})


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "error_after", "hangup", "multi_not_json"])
def test_an_answer_that_is_lost_after_the_fact_has_one_effect(stack, kind):
    """Customer.io has applied the batch, the relay does not know: it sends again, and nothing is doubled."""
    stack.faults(arm={kind: {"next": 1}})
    ids = send(stack, 5)
    until(lambda: stack.account.delivered == 5, "all are settled")
    assert arrived(stack) == sorted(ids)


def test_a_refused_event_is_buried_and_replayed(stack):
    """A whole-batch 400 for one poisonous event: the others arrive, and it does too once Customer.io takes it."""
    stack.faults(refuse_event_names=["ACTIVATE"])
    bad = payload("ACTIVATE", user_id="user-3")
    stack.post([bad])
    ids = send(stack, 8)
    until(lambda: stack.account.dead == 1 and stack.account.delivered == 8, "one is dead, eight delivered")
    assert arrived(stack) == sorted(ids)
    letters = json.loads(stack.relay("dead", "list", "--json").stdout)["items"]
    assert [(letter["reason"], letter["event_id"], letter["status"]) for letter in letters] == [
        ("rejected", bad["event_id"], 400)
    ]
    stack.faults()
    replay = stack.relay("dead", "replay", letters[0]["id"], "--include-failing", "--yes")
    assert replay.returncode == 0, replay.stdout + replay.stderr
    until(lambda: stack.account.delivered == 9, "it is delivered")
    assert (arrived(stack), stack.account.dead) == (sorted([*ids, bad["event_id"]]), 0)
    assert stack.findings == []


def test_a_wrong_key_holds_and_a_probe_resumes(stack):
    """A day of events must not become dead letters: they wait, and go on by themselves when the key works."""
    stack.faults(arm={"unauthorized": {"probability": 1}})
    ids = send(stack, 40)
    hold = until(lambda: stack.account.hold, "it is held")
    assert (hold.kind, hold.by, hold.status, hold.message) == ("unauthorized", "relay", 401, "Unauthorized")
    shown = json.loads(stack.relay("status", "--json").stdout)["items"][0]
    assert (shown["state"], shown["waiting"], shown["dead"]) == ("held", 40, 0)
    until(lambda: stack.account.hold and stack.account.hold.failures >= 3, "probes fail")
    stack.faults()
    until(lambda: stack.account.delivered == 40, "all are delivered")
    assert (stack.account.hold, stack.account.dead, arrived(stack)) == (None, 0, sorted(ids))
    assert "integration_resumed integration=production" in stack.log("worker")


def test_a_held_integration_costs_its_probes_only(make_stack):
    """Backlogs on all shards, many sweeps and more events: no deliver task but probes, no request but theirs."""
    stack = make_stack(RELAY_HOLD_FIRST_S="2", RELAY_SWEEP_INTERVAL_S="0.2").start("simulator", "web", "beat")
    stack.start_as("worker", "worker", app=CONTROLLED)
    stack.faults(arm={"unauthorized": {"probability": 1}})
    send(stack, 40)
    until(lambda: stack.account.hold, "it is held")
    until(lambda: stack.parts.redis.keys("relay:{*}:lease:*") == [], "nobody is at work")
    before, asked = stack.task_counts(), stack.inspect("stats")["requests"].get("401", 0)
    failures = stack.account.hold.failures
    for start in range(100, 200, 20):
        send(stack, 20, start)
    until(lambda: stack.account.hold.failures == failures + 2, "two probes have failed")
    after = stack.task_counts()
    probes = stack.account.hold.failures - failures
    assert after["relay.sweep"] - before["relay.sweep"] >= 5
    assert after["relay.deliver"] - before["relay.deliver"] <= probes + 1
    assert stack.inspect("stats")["requests"]["401"] - asked <= probes + 1


def test_an_operators_hold_lasts_until_the_operator_resumes(stack):
    """`relay hold` stops deliveries, `relay resume` starts them at once."""
    assert stack.relay("hold", "production", "-m", "maintenance").returncode == 0
    ids = send(stack, 5)
    stack.relay("status")
    assert (stack.account.waiting, stack.arrived()) == (5, [])
    assert stack.relay("resume", "production").returncode == 0
    until(lambda: arrived(stack) == sorted(ids), "all arrive", within_s=20)


def test_a_broker_that_was_emptied_costs_one_sweep(make_stack):
    """FLUSHDB of Celery's messages while events wait: the events are not there, so none is lost."""
    stack = make_stack().start("simulator", "web")
    ids = send(stack, 30)
    until(lambda: stack.broker.llen("relay"), "wake-ups are queued")
    stack.broker.flushdb()
    stack.start("worker", "beat")
    until(lambda: arrived(stack) == sorted(ids), "all arrive", within_s=20)


def test_a_server_that_was_emptied_goes_on_with_what_comes_after(stack):
    """FLUSHALL: what the door remembers comes back, and what is accepted afterwards is delivered, without a restart."""
    send(stack, 10)
    until(lambda: stack.account.delivered == 10, "all are delivered")
    stack.parts.redis.flushall()
    ids = [send(stack, 1, start)[0] for start in range(100, 120)]
    until(lambda: set(ids) <= set(arrived(stack)), "the later ones arrive")
    until(lambda: stack.account.delivered == 30, "the books start over")
    assert stack.findings == []
    assert len(arrived(stack)) == 30  # what was sent twice had one effect
    sources = json.loads(stack.relay("status", "--json").stdout)["sources"]
    assert [(one["lost"], one["restored"]) for one in sources] == [(10, 10)]


def test_what_a_server_lost_for_good_is_named(make_stack):
    """Without the door's memory: by audit, status, metric and log, until it is acknowledged."""
    stack = make_stack(RELAY_REMEMBER_S="0").start()
    send(stack, 10)
    until(lambda: stack.account.delivered == 10, "all are delivered")
    stack.parts.redis.flushall()
    send(stack, 5, 100)
    until(lambda: stack.account.delivered == 5, "the books start over")
    named = until(lambda: [one for one in stack.findings if "Redis lost" in one], "audit names them")
    assert sum(int(one.split()[2]) for one in named) == 10
    assert stack.relay("audit").returncode == 1
    assert "Redis lost 10 events of source app" in stack.relay("status").stdout.replace("\n", " ")
    assert 'relay_redis_lost_writes_total{source="app"} 10.0' in stack.http.get(f"{stack.web}/metrics").text
    assert "redis_lost_writes lost=10 restored=0" in stack.log("web")
    assert stack.relay("audit", "--acknowledge", "-m", "it was me").returncode == 0
    assert stack.findings == []


def test_a_server_that_is_killed_comes_back_with_everything(stack):
    """Kill -9 of Redis under load: what was answered with 200 is in the append-only file, and goes on."""
    accepted = []
    for number in range(40):
        if number == 15:
            stack.server.kill()
        if number == 25:
            stack.server.start()
            until(lambda: stack.http.get(f"{stack.web}/readyz").status_code == 200, "it stores again")
        event = payload("SUBSCRIPTION_STARTED", user_id=f"user-{number}")
        answer = stack.webhook(event)
        assert answer.status_code in {200, 503}
        if answer.status_code == 200:
            accepted.append(event["event_id"])
    assert 15 <= len(accepted) < 40
    until(lambda: set(accepted) <= set(arrived(stack)), "all that was accepted arrives")
    until(lambda: stack.account.waiting == 0, "nothing waits")
    assert stack.findings == []


def test_a_server_that_is_full_drains_and_resumes(make_stack):
    """Nothing new is stored (503 with Retry-After), running work goes on, and all of it when there is room again."""
    stack = make_stack(RELAY_SHARDS="1", RELAY_BATCH_EVENTS="20").start()
    stack.faults(arm={"slow": {"probability": 1}}, slow_s=0.2)
    ids = send(stack, 400)
    until(stack.arrived, "it is at work")
    client = stack.parts.redis
    client.config_set("maxmemory", 1)
    try:
        until(lambda: stack.webhook(payload("ACTIVATE")).status_code == 503, "it stores nothing")
        assert int(stack.webhook(payload("ACTIVATE")).headers["Retry-After"]) > 0
        until(lambda: stack.account.delivered == 400, "the backlog drains without messages")
    finally:
        client.config_set("maxmemory", 0)
    assert arrived(stack) == sorted(ids)
    until(lambda: stack.webhook(payload("ACTIVATE")).status_code == 200, "it stores again")
    until(lambda: stack.account.delivered == 401, "and delivers")


def test_a_full_server_does_not_end_the_workers(make_stack):
    """Wake-ups that were queued before memory ran full are still taken: all lanes that had one drain."""
    stack = make_stack(RELAY_BATCH_EVENTS="10").start("simulator", "web")
    ids = send(stack, 80)
    until(lambda: stack.broker.llen("relay") == 4, "every lane has its message")
    stack.start_as("worker", "worker", concurrency=1)
    until(lambda: "ready" in stack.log("worker"), "the worker listens", every_s=0.005)
    stack.parts.redis.config_set("maxmemory", 1)
    try:
        until(lambda: stack.account.delivered == 80, "everything drains")
        assert arrived(stack) == sorted(ids)
        assert stack.processes["worker"].poll() is None
    finally:
        stack.parts.redis.config_set("maxmemory", 0)


def test_a_worker_that_starts_while_a_server_is_full_drains_it(make_stack):
    """Celery declares its queue first, which a full server refuses: that ended every worker that was started again."""
    stack = make_stack(RELAY_BATCH_EVENTS="10").start("simulator", "web")
    ids = send(stack, 80)
    until(lambda: stack.broker.llen("relay") == 4, "every lane has its message")
    stack.parts.redis.config_set("maxmemory", 1)
    try:
        stack.start_as("worker", "worker", concurrency=1)
        until(lambda: stack.account.delivered == 80, "everything drains")
        assert arrived(stack) == sorted(ids)
        assert stack.processes["worker"].poll() is None
    finally:
        stack.parts.redis.config_set("maxmemory", 0)


def test_a_flapping_broker_does_not_deafen_the_worker(stack):
    """Connections cut again and again: the worker goes on, or its watchdog ends it for another to start."""
    ids = []
    for start in range(0, 100, 10):
        ids += send(stack, 10, start)
        for kind in ("normal", "pubsub"):
            stack.broker.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    until(lambda: arrived(stack) == sorted(ids), "all arrive", within_s=60)


def test_memory_of_wake_ups_is_bounded_while_nobody_works(make_stack):
    """Hours of events without a worker leave a message a lane and minute, and the sweeps of beat."""
    stack = make_stack(RELAY_SWEEP_INTERVAL_S="60").start("simulator", "web", "beat")
    for start in range(0, 500, 50):
        send(stack, 50, start)
    until(lambda: stack.broker.llen("relay") >= 4, "each lane has its message")
    assert stack.broker.llen("relay") <= 4 + 2


def message(task, args, **changes):
    """A message in Celery's form, as somebody else may put it on the queue."""
    found = {
        "body": base64.b64encode(json.dumps([args, {}, {}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), "argsrepr": "", "kwargsrepr": ""},
        "properties": {
            "correlation_id": "1",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "relay"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(found | changes)


FOREIGN = {
    "garbage": b"\xff\xfe\x00garbage",
    "not JSON": b"{",
    "not an object": b"[1, 2]",
    "a number": b"7",
    "null": b"null",
    "an empty object": b"{}",
    "nested": b"[" * 100_000,
    "no headers": message("relay.deliver", [], headers=None),
    "odd headers": message("relay.deliver", [], headers=[1]),
    "a task without id": message("x", [], headers={"task": "nobody.knows"}),
    "odd body": message("relay.deliver", [], body="!!!"),
    "odd properties": message("relay.deliver", [], properties=None),
    "an unknown task": message("nobody.knows", [1]),
    "too many arguments": message("relay.deliver", list(range(20))),
    "no arguments": message("relay.deliver", []),
    "arguments of other kinds": message("relay.deliver", [{"a": 1}, "zero"]),
    "a shard that is not": message("relay.deliver", ["production", 10**30]),
    "a job that is not": message("relay.replay", [["x"], None]),
    "pickle": message("relay.deliver", [], **{"content-type": "application/x-python-serialize", "body": "gASVAA=="}),
    "yaml": message("relay.deliver", [], **{"content-type": "application/x-yaml"}),
    "large": message("nobody.knows", ["x" * 5_000_000]),
}


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_messages_of_strangers_do_not_end_or_stall_a_worker(make_stack, pool):
    """Garbage, unknown tasks, wrong arguments, pickle, a remote shutdown: dropped, and events go on being delivered."""
    stack = make_stack(RELAY_POOL=pool).start()
    worker = stack.processes["worker"]
    children = {child.pid for child in psutil.Process(worker.pid).children(recursive=True)}
    address = urlsplit(stack.server.url)
    with redis.Redis(host=address.hostname, port=address.port, db=1) as broker:
        for foreign in FOREIGN.values():
            broker.lpush("relay", foreign)
        until(lambda: broker.llen("relay") == 0, "the queue is read")
        Celery(broker=f"redis://{address.hostname}:{address.port}/1").control.shutdown()
    ids = send(stack, 3)
    until(lambda: arrived(stack) == sorted(ids), "all arrive")
    assert worker.poll() is None
    assert {child.pid for child in psutil.Process(worker.pid).children(recursive=True)} >= children
