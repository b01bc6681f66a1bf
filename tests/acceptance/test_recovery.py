"""docs/recovery.md as an operator follows it: backup, restore, move to another server, and a Redis that was lost."""

import json
import shutil
import subprocess

import pytest

from tests.support.pages import blocks, commands, run
from tests.support.payloads import payload
from tests.support.servers import OwnRedis
from tests.support.waiting import until

PAGE = "docs/recovery.md"
RUNNING = ("worker", "beat", "web")

pytestmark = pytest.mark.skipif(shutil.which("redis-cli") is None, reason="the page's commands need redis-cli")


def post(stack, start, number):
    """Events of as many people."""
    events = [
        payload("SUBSCRIPTION_RENEWED", user_id=f"user-{n}", event_id=f"e-{n}") for n in range(start, start + number)
    ]
    assert stack.post(events).status_code == 200


def arrived(stack, number):
    """That so many events arrived at Customer.io, each once."""
    until(lambda: len(stack.arrived()) >= number, f"{number} events arrived")
    assert sorted(event["attributes"]["event_id"] for event in stack.arrived()) == sorted(
        f"e-{n}" for n in range(number)
    )


def move_to(stack, url):
    """Start every process on another server."""
    stack.env["RELAY_REDIS_URL"] = url
    if "parts" in stack.__dict__:
        stack.parts.redis.close()
        del stack.__dict__["parts"]
    stack.start(*RUNNING)


@pytest.mark.timeout(300)  # the processes are started three times
def test_the_page_is_true(make_stack, own_redis, tmp_path):
    """What waited is delivered after a restore and after a move, once; an emptied server is used as a new one."""
    stack = make_stack()
    stack.start()
    post(stack, 0, 20)
    arrived(stack, 20)
    assert stack.relay("suppress", "add", "silent").returncode == 0
    assert stack.relay("hold", "production", "-m", "so that something waits").returncode == 0
    post(stack, 20, 10)
    run(commands(PAGE, "Backup"), tmp_path, stack.env)
    kept = tmp_path / "relay-backup"
    assert (kept / "in-force.toml").read_text() == stack.path.read_text()
    assert kept.stat().st_mode & 0o077 == 0

    for name in RUNNING:
        stack.kill(name)
    stack.server.stop()
    for block in blocks(PAGE, "sh"):
        subprocess.run(["/bin/bash", "-n"], input=block, text=True, check=True)
    restored = OwnRedis(tmp_path / "restored", {"appendonly": "no"})
    restored.folder.mkdir()
    shutil.copy(kept / "relay.rdb", restored.folder / "dump.rdb")
    moved = own_redis()
    try:
        restored.start()
        said = run(commands(PAGE, "Restore"), tmp_path, {**stack.env, "NEW_REDIS_URL": restored.url})
        assert "the books balance" in said
        assert list(restored.folder.glob("appendonlydir/*.incr.aof"))
        move_to(stack, restored.url)
        assert stack.relay("resume", "production").returncode == 0
        arrived(stack, 30)

        replicating, parting = (
            commands(PAGE, "Move to another server")[:4],
            commands(PAGE, "Move to another server")[4:],
        )
        there = {**stack.env, "NEW_REDIS_URL": moved.url, "OLD_HOST": "127.0.0.1", "OLD_PORT": str(restored.port)}
        there |= {"OLD_USER": "default", "OLD_PASSWORD": "", "OLD_TLS": "no"}
        run(replicating, tmp_path, there)
        post(stack, 30, 5)
        for name in RUNNING:
            stack.kill(name)
        assert "the books balance" in run(parting, tmp_path, there)
        restored.stop()
        move_to(stack, moved.url)
        post(stack, 35, 5)
        arrived(stack, 40)
    finally:
        restored.stop()

    stack.parts.redis.flushall()
    until(lambda: "came back" in stack.relay("status").stdout, "the door notices what is gone")
    said = run(commands(PAGE, "Redis was lost"), kept, stack.env)
    assert "Redis lost 40 events of source app" in said
    assert [one["person"] for one in json.loads(stack.relay("suppress", "list", "--json").stdout)["items"]] == [
        "silent"
    ]
    post(stack, 40, 5)
    arrived(stack, 45)
    (item,) = json.loads(stack.relay("status", "--json").stdout)["items"]
    assert (item["waiting"], item["dead"], item["unaccounted"]) == (0, 0, 0)
