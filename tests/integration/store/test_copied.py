"""What is copied under Sentinels: on the server that stays the primary, and nowhere else."""

from contextlib import suppress

import pytest
import redis

from tests.support.sentinels import SERVICE, SentinelSet
from tests.support.waiting import until
from worker.store.address import read_address
from worker.store.connect import open_client
from worker.store.copied import write_copied


@pytest.fixture
def servers(tmp_path):
    """A set, in which everybody knows everybody."""
    servers = SentinelSet(tmp_path)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def test_what_a_server_takes_that_was_replaced_is_not_copied(servers):
    """Its replicas follow another one, so that it has none to wait for; `relay reshard` said done there."""
    with open_client(read_address(servers.url, "RELAY_REDIS_URL")) as client:
        assert write(client)
        former = servers.primary()
        with redis.Redis(port=former.port) as there:  # nobody makes it a replica
            there.execute_command("ACL", "SETUSER", "default", "-slaveof", "-replicaof")
        until(lambda: is_replaced(servers, former), "another one is named", within_s=60, every_s=1)
        assert client.info("server")["tcp_port"] == former.port
        assert not write(client)
        until(lambda: write(client), "it is copied")
        assert client.info("server")["tcp_port"] == servers.primary().port


def test_a_server_whose_replicas_are_away_has_no_copy(servers):
    """It might have been replaced by one of them."""
    with open_client(read_address(servers.url, "RELAY_REDIS_URL")) as client:
        replicas = [one for one in servers.servers if one is not servers.primary()]
        for one in replicas:
            one.stop()
        until(lambda: client.info("replication")["connected_slaves"] == 0, "they have gone")
        assert not write(client)
        replicas[0].start()
        until(lambda: write(client), "it is copied")


def is_replaced(servers, former):
    """Whether another one is named by all; a fail-over is begun where none is, since one may be broken off."""
    with redis.Redis(port=servers.ports[0]) as sentinel, suppress(redis.ResponseError):
        named = sentinel.sentinel_get_master_addr_by_name(SERVICE)[1]
        if named == former.port:
            sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
    return servers.primary() is not former


def write(client):
    return write_copied(client, [("SET", "relay:copied:test", "1")], within_ms=500)
