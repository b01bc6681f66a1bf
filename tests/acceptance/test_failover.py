"""Fail-overs to replicas that lag behind, as `python -m bench.failover` has them, but few."""

import pytest

from tests.support.failover import drill

# Beside other work the servers take their time to be whole again.
pytestmark = pytest.mark.timeout(300)


def test_nothing_that_was_answered_is_lost_in_a_fail_over(tmp_path):
    """Two of them under load, to replicas that were frozen: no event lost or doubled, books that balance."""
    found = drill(tmp_path, 2, rate=200, frozen_s=2, size_bytes=20_000)
    assert (found.lost, found.doubled, found.unexplained, found.waiting) == (0, 0, 0, 0)
    assert found.redis_lost == found.restored > 0
    assert (found.findings, found.exits) == ([], {})


def last_shard(client):
    """What the last of 16 shards knows of the layout."""
    return client.hgetall("relay:{15}:layout")


MOMENTS = {
    "begun": last_shard,
    "ended": lambda client: last_shard(client).keys() == {b"epoch"},
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_shards_grow_across_a_fail_over(tmp_path, moment):
    """The server that takes over knows nothing of a growth, whatever was done of it: it is undone and begun again."""
    command = {"command": "relay reshard 16 --yes", "until_in": MOMENTS[moment]}
    found = drill(tmp_path, 1, rate=200, frozen_s=2, size_bytes=20_000, **command)
    assert found.shards == 16
    assert (found.lost, found.doubled, found.disordered, found.unexplained, found.waiting) == (0, 0, 0, 0, 0)
    assert found.redis_lost == found.restored > 0
    assert (found.findings, found.exits) == ([], {"command": 0})


def test_without_a_memory_the_loss_is_counted(tmp_path):
    """RELAY_REMEMBER_S=0: what the drill takes away is gone, and audit, status and metrics say how much."""
    found = drill(tmp_path, 1, rate=200, frozen_s=2, size_bytes=20_000, RELAY_REMEMBER_S="0")
    assert (found.doubled, found.unexplained, found.restored) == (0, 0, 0)
    assert found.redis_lost > 0
    assert any("Redis lost" in one for one in found.findings)
