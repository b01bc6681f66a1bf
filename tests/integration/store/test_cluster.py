"""The client of a Redis Cluster, against one of three primaries and three replicas."""

import asyncio

import pytest
import redis

from config.settings import Settings
from tests.support.certificates import Authority
from tests.support.servers import installed
from tests.support.waiting import until
from worker.app import Relay
from worker.errors import OperatorError
from worker.store.connect import open_async
from worker.store.exchange import Exchange
from worker.store.topology import CrossSlotError, slot_of

KEYS = [f"relay:{{{shard}}}:probe" for shard in range(12)]


@pytest.fixture
def cluster(own_cluster):
    return own_cluster()


@pytest.fixture
def client(cluster):
    with Relay(Settings(redis_url=cluster.url, broker_url="redis://127.0.0.1/0")).redis as found:
        yield found


def test_commands_go_where_their_keys_are(client):
    """Single keys, many keys of all nodes, keyless commands, scans and scripts."""
    for number, key in enumerate(KEYS):
        assert client.set(key, number)
    assert client.mget(KEYS) == [str(number).encode() for number in range(12)]
    assert client.exists(*KEYS, "relay:{0}:none") == 12
    assert sorted(client.scan_iter(match="relay:*")) == sorted(key.encode() for key in KEYS)
    assert client.dbsize() == 12
    assert len(client.nodes()) == 3
    assert client.time()[0] > 0
    script = client.register_script("return {KEYS[1], ARGV[1]}")
    assert [script(keys=[key], args=["x"]) for key in KEYS] == [[key.encode(), b"x"] for key in KEYS]
    assert client.delete(*KEYS) == 12


def test_a_pipeline_is_of_all_nodes_and_a_transaction_of_one_slot(client):
    """Replies in the order of the commands, scripts among them; errors as values where asked."""
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    pipe = client.pipeline(transaction=False)
    for key in KEYS:
        script(keys=[key], client=pipe)
        pipe.hget(key, "field")
    replies = pipe.execute(raise_on_error=False)
    assert replies[::2] == [1] * 12
    assert {type(reply) for reply in replies[1::2]} == {redis.ResponseError}
    with client.pipeline(transaction=True) as pipe:
        pipe.watch(KEYS[1])
        assert pipe.get(KEYS[1]) == b"1"
        pipe.multi()
        pipe.incr(KEYS[1])
        assert pipe.execute() == [2]
    pipe = client.pipeline(transaction=True)
    assert pipe.incr(KEYS[0]).incr(KEYS[0]).execute() == [2, 3]
    with pytest.raises(CrossSlotError):
        pipe.mget(KEYS)


def test_an_exchange_is_raw_and_follows_the_slot(client):
    """Of one slot with something done meanwhile, and of several nodes."""
    exchange = Exchange(client)
    client.xadd(KEYS[3], {"b": "x"}, id="5-1")
    found = exchange([("XRANGE", KEYS[3], "-", "+")], lambda: [("MGET", KEYS[3] + "none")])
    assert found == [[[b"5-1", [b"b", b"x"]]], [None]]
    assert exchange([("XLEN", KEYS[3]), ("XLEN", KEYS[4]), ("XLEN", KEYS[5])]) == [1, 0, 0]
    one, several = exchange.ask([("XLEN", KEYS[3])]), exchange.ask([("XLEN", KEYS[3]), ("XLEN", KEYS[4])])
    assert (one.replies(), several.replies()) == ([1], [1, 0])


def test_a_slot_that_moves_is_followed(cluster, client):
    """ASK while it moves, MOVED afterwards, for single commands, pipelines, transactions and exchanges."""
    key, other = KEYS[0], KEYS[0] + ":2"
    client.set(key, "1")
    slot = client.execute_command("CLUSTER", "KEYSLOT", key)
    source = cluster.primary_of(key)
    target = next(node for node in cluster.nodes[:3] if node is not source)
    with redis.Redis(port=source.port) as here, redis.Redis(port=target.port) as there:
        ids = [one.execute_command("CLUSTER", "MYID").decode() for one in (here, there)]
        there.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        here.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        assert client.get(key) == b"1"
        assert client.set(other, "2")  # not there yet: it is asked of the node that it moves to
        assert client.pipeline(transaction=False).get(key).get(other).execute() == [b"1", b"2"]
        assert Exchange(client)([("GET", other)]) == [b"2"]
        assert Exchange(client).ask([("GET", other)]).replies() == [b"2"]
        here.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 1000)
        assert client.get(key) == b"1"
        for node in (there, here):
            node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    assert client.pipeline(transaction=True).get(key).get(other).execute() == [b"1", b"2"]
    assert Exchange(client)([("GET", key)]) == [b"1"]
    assert client.pipeline(transaction=False).get(key).get(KEYS[1]).execute() == [b"1", None]


def test_another_primary_takes_over(cluster, client):
    """The client finds the replica that was made primary, and goes on."""
    for key in KEYS:
        client.set(key, "1")
    cluster.primary_of(KEYS[0]).kill()

    def serves():
        try:
            return client.incr(KEYS[0])
        except redis.RedisError:
            return False

    assert until(serves, "the replica serves") >= 1
    assert len(client.mget(KEYS)) == 12


def test_a_pipeline_that_finds_another_primary_has_its_scripts_known_there(cluster, client):
    """They were loaded on the nodes that were known before: a worker that began then said that Redis is away."""
    script = client.register_script("return redis.call('INCR', KEYS[1])")
    assert script(keys=[KEYS[0]]) == 1
    former = cluster.primary_of(KEYS[0])
    place = cluster.nodes.index(former) + 3  # its replica
    with redis.Redis(port=cluster.nodes[place].port) as other:
        other.execute_command("CLUSTER", "FAILOVER")
    until(lambda: cluster.primary_of(KEYS[0]) is cluster.nodes[place], "its replica took over")
    pipe = client.pipeline(transaction=False)
    for key in KEYS:
        script(keys=[key], client=pipe)
    assert pipe.execute() == [2, *[1] * 11]


def test_a_cluster_needs_a_broker_of_its_own():
    """Celery's messages cannot be carried by one; the message says what to set."""
    with pytest.raises(OperatorError, match="RELAY_BROKER_URL is not set: a Redis Cluster cannot carry"):
        _ = Relay(Settings(redis_url="redis+cluster://h1:1,h2:2")).broker
    with pytest.raises(OperatorError, match="a cluster has no database but 0"):
        _ = Relay(Settings(redis_url="redis+cluster://h1:1,h2:2/3")).address


def test_certificates_are_verified_on_every_node(own_cluster, tmp_path):
    """RELAY_REDIS_CA is for all nodes, also for those that the cluster names; a stranger is given nothing."""
    ours = Authority(tmp_path, "ours")
    ours.context("127.0.0.1")
    cluster = own_cluster(installed("redis-server"), tmp_path)
    for node in cluster.nodes:
        with redis.Redis(port=node.port) as admin:
            admin.execute_command("ACL", "SETUSER", "relay", "reset", "on", ">s3cret", "~relay*", "+@all")
    chosen = {"redis_url": cluster.tls_url.replace("://", "://relay:s3cret@"), "broker_url": "redis://127.0.0.1/0"}
    parts = Relay(Settings(redis_ca=ours.pem, **chosen))

    async def read():
        client = open_async(parts.address)
        try:
            table = await client.table()
            return [await client.client(table[slot_of(key)]).get(key) for key in KEYS]
        finally:
            await client.aclose()

    with parts.redis as client:
        for key in KEYS:
            client.set(key, key)
        assert client.mget(KEYS) == [key.encode() for key in KEYS]
    assert asyncio.run(read()) == [key.encode() for key in KEYS]
    parts = Relay(Settings(redis_ca=Authority(tmp_path, "another").pem, **chosen))
    with parts.redis as client, pytest.raises(redis.ConnectionError):
        client.ping()
