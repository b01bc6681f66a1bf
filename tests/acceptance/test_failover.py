"""Fail-overs to replicas that lag behind, as `python -m bench.failover` has them, but few."""

import re
import shutil
import subprocess

import pytest

from tests.support.failover import drill
from tests.support.pages import blocks, commands, run
from tests.support.payloads import payload
from tests.support.sentinels import SERVICE, SentinelSet
from tests.support.stack import Stack
from tests.support.waiting import until

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


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="the page's commands need redis-cli")
def test_the_pages_drill(tmp_path):
    """Its commands, as they are there but for the ports: another server takes over, and the books balance."""
    (script,) = blocks("docs/high-availability.md", "sh")
    servers = SentinelSet(tmp_path)
    stack = Stack(tmp_path / "stack", servers.url)
    try:
        servers.start()
        stack.start("simulator", "web", "worker")
        assert stack.post([payload("ACTIVATE", user_id=f"user-{n}") for n in range(20)]).status_code == 200
        until(lambda: stack.account.delivered == 20, "all are delivered")
        servers.until_whole()
        primary = servers.primary()
        ports = [primary.port, *(one.port for one in servers.servers if one is not primary), servers.ports[0]]
        known = dict(zip(("6379", "6380", "6381", "26379"), map(str, ports), strict=True))
        script = re.sub(r"\b\d{4,5}\b", lambda found: known[found[0]], script).replace("SERVICE", SERVICE)
        ran = subprocess.run(
            ["sh", "-c", script], env=stack.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout + ran.stderr
        assert servers.primary() is not primary
        run(commands("docs/high-availability.md"), tmp_path, stack.env)
        assert stack.relay("audit").returncode == 0
    finally:
        stack.stop()
        servers.stop()
