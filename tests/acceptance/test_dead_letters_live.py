"""Dead letters on a live relay: the runbook as on-call reads it, and a replay that loses its worker."""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.deadseed import seed
from tests.support.pages import commands
from tests.support.servers import OwnRedis
from tests.support.stack import ROOT, Stack
from tests.support.waiting import until
from worker.store.keys import job_key

NUMBER, RATE = 1200, 600


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Simulator, worker and beat, on a server of their own."""
    folder = tmp_path_factory.mktemp("dead")
    server = OwnRedis(folder / "redis", {"appendfsync": "everysec"})
    server.start()
    stack = Stack(folder, server.url, RELAY_LEASE_S="2")
    stack.start("simulator", "worker", "beat", concurrency=1)
    with redis.Redis.from_url(server.url) as client:
        until(lambda: client.exists("relay:shards"), "the worker has joined")
        yield stack, client
    stack.stop()
    server.stop()


@pytest.fixture
def stack(live):
    """The relay without dead letters, the simulator without events."""
    stack, client = live
    stack.http.post(f"{stack.simulator}/_inspect/reset", timeout=60)
    yield stack
    for key in [*client.scan_iter("relay:*dead*"), *client.scan_iter("relay:{jobs}*")]:
        client.delete(key)
    for key in client.scan_iter("relay:*ledger*"):
        counts = {name: int(count) for name, count in client.hgetall(key).items()}
        client.hset(key, mapping={"base": counts[b"base"] + counts[b"dead"], "dead": 0})


@contextmanager
def warm(stack):
    """A shell function `relay` that runs the command without its start-up time."""
    folder = Path(tempfile.mkdtemp(prefix="door-"))  # a socket's path must be short
    door = folder / "d"
    serving = subprocess.Popen([sys.executable, "-m", "tests.support.warm", str(door)], cwd=ROOT, env=stack.env)
    try:
        until(door.exists, "the warm command serves")
        yield f'relay() {{ {sys.executable} -S -E {ROOT}/tests/support/warm.py {door} "$@"; }}'
    finally:
        serving.kill()
        serving.wait()
        shutil.rmtree(folder)


def test_a_killed_worker_costs_a_replay_seconds_and_no_letter(stack, live):
    """Every letter of a filtered replay arrives once, though its worker is killed with letters in hand."""
    seed(live[1], 2 * NUMBER, 4)
    listed = json.loads(stack.relay("dead", "--json").stdout)
    assert sum(item["count"] for item in listed["items"]) == 2 * NUMBER
    assert len(listed["items"]) == 6

    # 50 of 100 letters are of this cause
    started = stack.relay("dead", "replay", "--status", "207", "--rate", str(RATE), "--yes", "--no-wait", "--json")
    assert started.returncode == 0, started.stderr
    job_id = json.loads(started.stdout)["job"]["id"]
    until(lambda: len(stack.arrived()) > 200, "the replay is under way")
    stack.kill("worker")
    claimed_ms = stack.parts.redis.pttl(job_key(job_id, "lease"))
    assert claimed_ms <= 15_000, "nobody else may go on for so long"
    assert len(stack.arrived()) < NUMBER, "too late to show anything"
    stack.start("worker", concurrency=2)

    ended = stack.relay("jobs", "show", job_id, "--wait", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    job = json.loads(ended.stdout)
    assert (job["state"], job["counts"], job["left"]) == ("done", {"delivered": NUMBER}, 0)

    arrived = stack.arrived()
    assert len({event["id"] for event in arrived}) == len(arrived) == NUMBER
    assert stack.relay("audit").returncode == 0
    assert json.loads(stack.relay("dead", "--json").stdout)["totals"]["production"]["dead"] == NUMBER


def test_the_runbook_is_true(stack, live, tmp_path):
    """Every command in it does what it says, in the order of the page."""
    seed(live[1], 100, 4)
    script = [f"echo {shlex.quote(f'$ {command}')}\n{command}" for command in commands("docs/runbook.md")]
    assert len(script) > 20
    with warm(stack) as relay:
        ran = subprocess.run(
            ["/bin/bash", "-c", "\n".join(["set -e", relay, *script])],
            cwd=tmp_path,
            env=stack.env,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    said = ran.stdout + ran.stderr
    for message in (
        "100 failed events, production, since",
        "would pass",
        "job replay-",
        "is done: delivered 50",
        "replayed now it would be sent",
        "is done: delivered 1",
        "letters exported",
        "5 letters discarded",
        "test traffic of 12 March",
        "5 letters restored",
        "Nothing to replay.",
        "production is resumed",
        "the books balance",
    ):
        assert message in said, f"{message!r} was not said:\n{said}"
    assert json.loads(stack.relay("dead", "--json").stdout)["totals"]["production"]["dead"] == 49
    assert stack.relay("audit").returncode == 0
