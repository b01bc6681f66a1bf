"""Fail-overs to replicas that lag behind, as `python -m bench.failover` has them, but few."""

import contextlib
import functools
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import redis
import requests

from tests.support.failover import drill
from tests.support.pages import blocks, commands, run
from tests.support.payloads import payload
from tests.support.sentinels import SentinelSet
from tests.support.servers import free_port
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


def test_a_primary_that_hangs_is_left(tmp_path):
    """It closes no connection, as a machine that is lost: workers waited on it for 40 s, and ended."""
    servers = SentinelSet(tmp_path)
    stack = Stack(tmp_path / "stack", servers.url)
    try:
        servers.start()
        stack.start()
        post = functools.partial(send_one, stack)
        assert post("first")
        until(stack.arrived, "it is delivered")
        servers.until_whole()
        frozen = servers.primary()
        frozen.send_signal(signal.SIGSTOP)
        until(lambda: post("second"), "the next primary stores it")
        until(lambda: len(stack.arrived()) == 2, "it is delivered")
        frozen.send_signal(signal.SIGCONT)
        assert {name: one.poll() for name, one in stack.processes.items()} == dict.fromkeys(stack.processes)
        assert "former_primary_left" in stack.log("worker")
        assert [event["attributes"]["event_id"] for event in stack.arrived()] == ["first", "second"]
        assert stack.findings == []
    finally:
        stack.stop()
        servers.stop()


def send_one(stack, name):
    """Post an event; whether it is stored."""
    try:
        return stack.post([payload("ACTIVATE", event_id=name, user_id="jeff")]).status_code == 200
    except requests.RequestException:
        return False


class PagesSet:
    """The servers and Sentinels of docs/high-availability.md, as its block starts them, on free ports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {port: str(free_port()) for port in ("6379", "6380", "6381", "26379", "26380", "26381")}
        self.beginning, self.drill = (self._here(text) for text in blocks("docs/high-availability.md", "sh"))
        (self.url,) = re.findall(r"export RELAY_REDIS_URL=(\S+)", self.beginning)

    def _here(self, text: str) -> str:
        return re.sub(r"\b\d{4,5}\b", lambda found: self._ports.get(found[0], found[0]), text)

    def run(self, script: str, env: dict[str, str]) -> str:
        """Run a block; what it prints."""
        ran = subprocess.run(
            ["sh", "-c", script], env=env, cwd=self._folder, capture_output=True, text=True, timeout=200, check=False
        )
        assert ran.stderr == "", ran.stdout + ran.stderr
        return ran.stdout

    def primary(self) -> str:
        """The port of the server that the first Sentinel names."""
        with redis.Redis(port=int(self._ports["26379"]), decode_responses=True) as sentinel:
            return sentinel.sentinel_masters()["relay"]["port"]

    def stop(self) -> None:
        """End those that run."""
        for port in reversed(self._ports.values()):
            with redis.Redis(port=int(port), retry=None) as client, contextlib.suppress(redis.RedisError):
                client.shutdown(nosave=True)


@pytest.mark.skipif(
    not (shutil.which("redis-server") and shutil.which("redis-cli")), reason="the page is about Debian's Redis"
)
def test_the_pages_set_and_drill(tmp_path):
    """Its commands, as they are there but for the ports: another server takes over, and the books balance."""
    page = PagesSet(tmp_path)
    stack = Stack(tmp_path / "stack", page.url)
    try:
        said = page.run(page.beginning, stack.env)
        assert "they lag behind" in said
        assert re.search(r"^Broker\n  ok ", said, re.MULTILINE), said
        stack.start("simulator", "web", "worker")
        assert stack.post([payload("ACTIVATE", user_id=f"user-{n}") for n in range(20)]).status_code == 200
        until(lambda: stack.account.delivered == 20, "all are delivered")
        before = page.primary()
        page.run(page.drill, stack.env)
        assert page.primary() != before
        run(commands("docs/high-availability.md"), tmp_path, stack.env)
        assert stack.relay("audit").returncode == 0
    finally:
        stack.stop()
        page.stop()
