"""Commands in a process of their own: nothing that ran before in it shapes what they read."""

import base64
import json
import os
import subprocess
import sys

import pytest
import redis

from tests.support.deadstack import event, opened
from tests.support.servers import free_port
from worker.purchasely.person import shard_of
from worker.store.entries import read_range
from worker.store.keys import shard_key


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay with one dead letter of `user-1`, between two delivered events of the same person."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}))
        stack.deliver(event(1, "FIRST"), event(1, "BAD"), event(1, "LAST"))
        stack.faults()
        yield stack


def command(dead, *arguments, **env):
    """What `relay …` prints, and its exit code."""
    chosen = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
        **dead.environ,
        **env,
    }
    run = [sys.executable, "-c", "from worker.cli import main; main()", *arguments]
    ran = subprocess.run(run, env=chosen, capture_output=True, text=True, timeout=60, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_explain_finds_an_event_in_its_stream(dead):
    """`SHARD/ENTRY` names it."""
    shard = shard_of("user-1", dead.settings.shards)
    entry_id, _ = read_range(dead.parts.redis, shard_key(shard, "events", "app"), count=1)[0]
    code, said = command(dead, "explain", f"{shard}/{entry_id}")
    assert code == 0, said
    assert said.startswith("FIRST: ")


def test_forget_removes_a_person(dead):
    """Three entries, one dead letter and a state are gone."""
    code, said = command(dead, "forget", "user-1", "--yes", "--json")
    assert code == 0, said
    removed = json.loads(said)
    assert (removed["entries"], removed["dead_letters"], removed["states"]) == (3, 1, 1)


def test_show_names_the_neighbours(dead):
    """The events of the person just before and just after the dead one."""
    code, said = command(dead, "dead", "show", dead.letters()[0].id)
    assert code == 0, said
    assert "FIRST" in said
    assert "LAST" in said


@pytest.mark.parametrize("name", ["status", "audit"])
def test_the_books_are_read(dead, name):
    """They balance."""
    code, said = command(dead, name, "--json")
    assert code == 0, said


def test_a_replay_sends_its_own_wake_up(dead):
    """The message is in the broker when the command returns: no sweep is waited for."""
    code, said = command(dead, "dead", "replay", "--all", "--include-failing", "--yes", "--no-wait", "--json")
    assert code == 0, said
    job_id = json.loads(said)["job"]["id"]
    with redis.Redis.from_url(dead.settings.redis_url.replace("/8", "/9")) as broker:
        messages = [json.loads(raw) for raw in broker.lrange("relay", 0, -1)]
    assert [message["headers"]["task"] for message in messages] == ["relay.replay"]
    (woken, token), _, _ = json.loads(base64.b64decode(messages[0]["body"]))
    assert woken == job_id
    assert dead.idle() == []
    while following := dead.task(job_id, token):
        token = following[0]
    assert dead.job(job_id).counts == {"delivered": 1}


def test_a_replay_without_a_broker_is_the_sweeps(dead):
    """The command does its work all the same, and the next sweep finds the job idle."""
    away = "redis://127.0.0.1:9/0"
    code, said = command(
        dead, "dead", "replay", "--all", "--include-failing", "--yes", "--no-wait", RELAY_BROKER_URL=away
    )
    assert code == 0, said
    assert [job_id for job_id, _ in dead.idle()] == [job.id for job in dead.parts.jobs.open()] != []


def test_a_job_that_is_resumed_is_woken(dead):
    """So is one that is aborted, whose end is to be summed up."""
    job_id = dead.start(dead.letters())
    dead.parts.jobs.move(job_id, "paused")
    code, said = command(dead, "jobs", "resume", job_id)
    assert code == 0, said
    with redis.Redis.from_url(dead.settings.redis_url.replace("/8", "/9")) as broker:
        assert broker.llen("relay") == 1


def test_a_file_with_several_errors_is_a_line_for_each(dead):
    """Nobody reads an escaped newline; each line names its place and what to write instead."""
    dead.path.write_text(dead.path.read_text().replace('"eu"', '"moon"').replace('"app"\n', '"apk"\n', 1))
    code, said = command(dead, "status", RELAY_REDIS_URL="redis://127.0.0.1:1")
    assert (code, len(said.splitlines())) == (2, 1), said
    code, said = command(dead, "config", "plan", str(dead.path))
    lines = said.splitlines()
    assert (code, len(lines)) == (2, 2), said
    assert all(line.startswith(f"relay: {dead.path}:") for line in lines)


def test_a_redis_that_does_not_serve_is_one_line_with_the_cure(own_redis):
    """A password is another thing than a server that is away; neither is a traceback."""
    server = own_redis()
    with redis.Redis(port=server.port) as client:
        client.config_set("requirepass", "one")
    refused = "it refuses the user or password): correct the user and password in RELAY_REDIS_URL"
    for url, why in (
        (f"redis://:two@127.0.0.1:{server.port}/0", refused),
        (f"redis://127.0.0.1:{free_port()}/0", "Connection refused): start it, or correct RELAY_REDIS_URL"),
        (f"redis+cluster://127.0.0.1:{free_port()}", "ConnectionError): a fail-over ends by itself"),
    ):
        env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
        run = [sys.executable, "-c", "from worker.cli import main; main()", "status"]
        ran = subprocess.run(run, env=env | {"RELAY_REDIS_URL": url}, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
        assert ran.stderr.startswith(f"relay: Redis does not serve ({why}")
