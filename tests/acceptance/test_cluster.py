"""The relay on a Redis Cluster: the whole path as the user of docs/redis.md, and a primary that is killed."""

import itertools
import threading
import time

import pytest
import redis
import requests

from tests.acceptance.test_redis_user import rules
from tests.support.payloads import payload
from tests.support.stack import Stack
from tests.support.waiting import elapse, until

IN_A_CLUSTER = ("+cluster|slots",)


@pytest.fixture
def cluster(own_cluster):
    return own_cluster()


@pytest.fixture
def make_stack(tmp_path, cluster, own_redis):
    """A relay on the cluster, with a broker of its own."""
    made = []

    def make(url, **env):
        made.append(Stack(tmp_path / "stack", url, RELAY_BROKER_URL=own_redis().url, RELAY_LEASE_S="2", **env))
        return made[-1]

    yield make
    for stack in made:
        stack.stop()


def test_the_whole_path_and_every_command(cluster, make_stack):
    """Events in and out on all nodes, properties, dead letters, replays, forgetting, configuration, books, figures."""
    for node in cluster.nodes:
        with redis.Redis(port=node.port) as admin:
            admin.execute_command("ACL", "SETUSER", "relay", "reset", "on", ">s3cret", *rules(), *IN_A_CLUSTER)
    url = cluster.url.replace("://", "://relay:s3cret@")
    stack = make_stack(url, RELAY_SHARDS="16", RELAY_TRIM_INTERVAL_S="1").start()
    assert stack.webhook(payload("SUBSCRIPTION_STARTED")).status_code == 200
    events = [payload("ACTIVATE", event_id=f"event-{number}", user_id=f"user-{number}") for number in range(40)]
    assert stack.post([*events, {"event_id": "bad"}]).json()["accepted"] == 41
    until(lambda: len(stack.arrived()) == 41 and stack.account.dead == 1, "all arrive but one dead letter")
    assert {fact for fact in stack.relay("check").stdout.splitlines() if "does not serve" in fact} == set()
    assert "41 people" in stack.relay("resync", "--integration", "production", "--dry-run").stdout
    for command in (
        ("status",),
        ("dead",),
        ("dead", "replay", "--reason", "no_event_name", "--yes"),
        ("trace", "event-2"),
        ("person", "user-3"),
        ("replay", "--integration", "production", "--only", "all", "--yes"),
        ("resync", "--integration", "production", "--yes"),
        ("jobs",),
        ("hold", "production"),
        ("resume", "production"),
        ("suppress", "add", "nobody"),
        ("forget", "user_42", "--yes"),
        ("config", "log"),
        ("config", "plan", str(stack.path)),
        ("actions",),
        ("reshard", "32", "--yes"),
        ("audit",),
    ):
        done = stack.relay(*command)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (command, done.stdout, done.stderr)
    assert 'relay_stored_events_total{source="app"} 42.0' in stack.http.get(f"{stack.web}/metrics").text
    refused = set()
    for node in cluster.nodes:
        with redis.Redis(port=node.port) as admin:
            refused |= {entry["object"] for entry in admin.acl_log()}
    assert refused <= {"bgrewriteaof", "config|get"}  # each is asked for by who may do without


def test_a_primary_is_killed_while_events_come(cluster, make_stack):
    """Its replica takes over, and all goes on by itself: what was answered before and after arrives, each once."""
    stack = make_stack(cluster.url, RELAY_SHARDS="16").start()
    answered: dict[str, float] = {}
    ended = threading.Event()

    def send():
        for number in itertools.count():
            batch = [payload("ACTIVATE", event_id=f"{number}-{n}", user_id=f"user-{n}") for n in range(8)]
            while not ended.is_set():
                try:
                    if stack.post(batch).status_code == 200:
                        answered.update(dict.fromkeys((event["event_id"] for event in batch), time.monotonic()))
                        break
                except requests.RequestException:
                    pass
                elapse(0.05)
            if ended.is_set():
                return
            elapse(0.02)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        until(lambda: len(answered) > 200, "events come")
        killed_s = time.monotonic()
        cluster.primary_of("relay:{0}:events:app").kill()
        after = len(answered)
        until(lambda: len(answered) > after + 400, "events come again", within_s=60)
    finally:
        ended.set()
        sender.join()
    # replication is asynchronous: of the last half second before the kill nothing is promised
    safe = {event_id for event_id, at_s in answered.items() if not killed_s - 0.5 < at_s < killed_s}
    until(lambda: safe <= {event["attributes"]["event_id"] for event in stack.arrived()}, "all arrive", within_s=60)
    assert len(safe) > 400
    assert stack.inspect("stats")["defects"] == 0
    until(lambda: not stack.account.waiting, "nothing waits")
    assert stack.account.unaccounted == 0
    for name in ("web", "worker", "beat"):
        assert stack.processes[name].poll() is None
        assert "Traceback" not in stack.log(name), stack.log(name)
