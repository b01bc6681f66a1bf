"""The web door on a Redis Cluster: a node that is gone stops its own shards alone, and what was lost comes back."""

import json
import signal
from zlib import crc32

import pytest
import redis

from tests.integration.ingest.test_recall import counts, names, send
from tests.support.door import make_parts, running
from tests.support.waiting import until
from worker.store.layout import tell_shards
from worker.upkeep.growing import Growing

pytestmark = pytest.mark.usefixtures("environ")

SHARDS = 4


@pytest.fixture
def cluster(own_cluster):
    return own_cluster()


@pytest.fixture
def door(cluster, tmp_path):
    with running(make_parts(tmp_path, cluster.url)) as found:
        yield found


def primaries(cluster):
    return [cluster.primary_of(f"relay:{{{shard}}}:events:app") for shard in range(SHARDS)]


def shard_of(door, name):
    """Where an event was stored."""
    return next(
        shard
        for shard in range(SHARDS)
        if f'"{name}"'.encode() in str(door.redis.xrange(f"relay:{{{shard}}}:events:app")).encode()
    )


def test_a_replica_that_lagged_behind_is_given_what_it_lacks(cluster, door):
    """Replicas are frozen, a primary dies with what it alone had: the door gives it to the one that takes over."""
    old = send(door, "old", 20)
    lost = primaries(cluster)[0]
    replicas = [node for node in cluster.nodes if node not in cluster.nodes[:3]]
    for node in replicas:
        node.signal(signal.SIGSTOP)
    for node in cluster.nodes[:3]:
        with redis.Redis(port=node.port) as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "replica")  # else what comes waits in its socket
    young = send(door, "young", 40)
    lost.kill()
    for node in replicas:
        node.signal(signal.SIGCONT)
    until(lambda: _try(lambda: names(door)) == sorted(old + young), "all are there again")
    missing, restored = counts(door)
    assert missing == restored > 0
    assert door.post([{"event_id": name, "user_id": name} for name in young]).json == {"accepted": 0, "duplicates": 40}


def test_a_node_that_is_gone_stops_its_own_shards_alone(cluster, tmp_path):
    """Without a replica that takes over: 503 for some people, 200 for the others, ready all the same."""
    for node in cluster.nodes:
        with redis.Redis(port=node.port) as client:
            client.config_set("cluster-require-full-coverage", "no")
    with running(make_parts(tmp_path, cluster.url)) as door:
        people = send(door, "a", 40)
        lost = primaries(cluster)[0]
        theirs = {name for name in people if primaries(cluster)[shard_of(door, name)] is lost}
        assert 0 < len(theirs) < 40
        for node in cluster.nodes[3:]:
            node.kill()
        lost.kill()
        answers = {name: door.post({"event_id": f"b{name}", "user_id": name}).status for name in people}
        assert {name for name, status in answers.items() if status == 503} == theirs
        assert set(answers.values()) == {200, 503}
        assert door.ask("GET", "/readyz").status == 200


def test_more_shards_are_served_where_their_nodes_are(cluster, door, tmp_path):
    """What is remembered of people who moved goes with them, and comes back on the node where they are now."""
    old = send(door, "old", 40)
    other = make_parts(tmp_path, cluster.url)
    with other.redis:
        other.check_store()
        Growing(other).begin(12)
        tell_shards(other.redis, other.layout)
    young = send(door, "young", 40)
    assert names(door) == sorted(old + young)
    for shard in range(12):
        rows = door.redis.xrange(f"relay:{{{shard}}}:events:app")
        people = [json.loads(fields[b"b"])["user_id"] for _, fields in rows]
        assert {crc32(person.encode()) % (12 if person in young else 4) for person in people} <= {shard}
    door.redis.delete(*(f"relay:{{{shard}}}:events:app" for shard in range(12)))
    until(lambda: names(door) == sorted(old + young), "all are there again")


def test_shards_move_to_another_node_and_back(cluster, door):
    """What comes while a slot is moved waits or is answered 503; nothing is lost or stored twice."""
    first = send(door, "a", 20)
    key = "relay:{0}:events:app"
    for turn in range(2):
        source = cluster.primary_of(key)
        target = next(node for node in cluster.nodes[:3] if node is not source)
        cluster.move(key, source, target)
        assert cluster.primary_of(key) is target
        first += send(door, f"b{turn}-", 20)
    assert names(door) == sorted(first)
    assert counts(door) == (0, 0)


def _try(ask):
    try:
        return ask()
    except redis.RedisError:
        return None
