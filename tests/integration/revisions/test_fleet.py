"""Who runs what: heartbeats, and what is said of them."""

import io
import os

import msgspec
import pytest
from rich.console import Console

from config.settings import Settings
from tests.integration.revisions.conftest import revision, text
from worker.app import Relay
from worker.cli.status import read
from worker.cli.status_picture import picture
from worker.console.cards import badge
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render
from worker.store.clock import server_ms
from worker.store.keys import PROCESSES
from worker.store.processes import Process


@pytest.fixture
def parts(tmp_path, redis_url):
    made = Relay(Settings(redis_url=redis_url, data_dir=tmp_path, shards=2))
    made.revisions.publish(revision(text()), 0)
    yield made
    made.redis.close()


def process(role, number=1, pid=7, **given):
    return Process(
        **{"host": "h", "pid": pid, "role": role, "version": "1", "revision": number, "since_ms": 0, **given}
    )


def test_all_is_well(parts):
    """Web, worker and beat alive on the revision in force: nothing to say."""
    for role in ("web", "worker", "child", "beat"):
        parts.processes.beat(process(role))
    assert list(Ledger(parts).fleet().messages()) == []


def test_who_is_missing_behind_or_without_a_secret(parts):
    """A line each: a role nobody fills, a process on another revision, secrets that are missing, two owners."""
    parts.processes.beat(process("web", 0))
    parts.processes.beat(process("worker", missing=2, unserved=("production", "sandbox"), owner="file"))
    parts.redis.hset(
        PROCESSES, "h/9/beat", b'100000 {"host":"h","pid":9,"role":"beat","version":"1","revision":1,"since_ms":0}'
    )
    assert list(Ledger(parts).fleet().messages()) == [
        "no beat process is alive; start one",
        "web h/7 runs revision none, not 1: its log says why",
        "worker h/7 misses 2 secrets and does not serve production and sandbox: its log names them",
        "some processes have RELAY_INTEGRATIONS and some have not: set it everywhere, or nowhere",
    ]


def test_a_worker_that_cannot_reach_its_broker_is_no_ended_one(parts):
    """It runs, and is not counted before it hears its broker: `start one` alone led nowhere."""
    for role in ("web", "beat"):
        parts.processes.beat(process(role))
    (said,) = Ledger(parts).fleet().messages()
    assert said == (
        "no worker process is alive; start one, or see in the log of one that runs whether it reaches its broker"
    )


def test_a_broken_file_is_said_once_a_host(parts):
    """Whatever of that host reads it: the line of the file, and what runs meanwhile."""
    for role in ("web", "worker", "beat"):
        parts.processes.beat(process(role, broken="f.toml, line 3: region is wrong", owner="file"))
    assert list(Ledger(parts).fleet().messages()) == [
        "h: f.toml, line 3: region is wrong (revision 1 still runs; a process that starts is refused)"
    ]


def test_a_file_that_is_not_what_runs_is_said(tmp_path, redis_url):
    """A text that ran before is not published by a start: who believes it is in force sees that it is not."""
    file = tmp_path / "integrations.toml"
    file.write_text(text("first"))
    made = Relay(Settings(redis_url=redis_url, data_dir=tmp_path / "data", shards=2, integrations=file))

    def begin():
        made.live.begin("op")
        for role in ("web", "worker", "beat"):
            made.processes.beat(msgspec.structs.replace(made.process(), host="h", role=role, missing=0))
        return list(Ledger(made).fleet().messages())

    assert begin() == []
    file.write_text(text("second"))
    assert begin() == []
    file.write_text(text("first"))
    os.utime(file, (1, 1))
    (said,) = begin()
    assert said.startswith(f"h: {file} is not what runs (revision 2): write what runs into it")
    file.write_text(text("first") + "# once more\n")
    assert begin() == []
    assert made.live.loaded.number == 3
    made.redis.close()


def test_the_metrics_name_no_host(parts):
    """Alive, behind and without secrets, by role; the number in force."""
    parts.processes.beat(process("web", 0))
    parts.processes.beat(process("worker", missing=1))
    lines = render(Ledger(parts).figures()).decode().splitlines()
    assert "relay_config_revision 1.0" in lines
    assert 'relay_processes{role="web"} 1.0' in lines
    assert 'relay_processes{role="beat"} 0.0' in lines
    assert 'relay_processes_behind{role="web"} 1.0' in lines
    assert 'relay_processes_without_secrets{role="worker"} 1.0' in lines


def test_foreign_heartbeats_end_nobody(parts):
    """Bytes that are no heartbeat are passed over."""
    parts.redis.hset(PROCESSES, mapping={"a": b"\xff", "b": b"x {}", "c": b"1 2"})
    parts.processes.beat(process("web"))
    assert [one.role for one in Ledger(parts).fleet().processes] == ["web"]


def test_one_host_exports_what_is_of_all(parts):
    """The first by name that has a live web process; before there is any, whoever is asked."""
    assert Ledger(parts).fleet().leads("z")
    parts.processes.beat(process("web", host="b"))
    parts.processes.beat(process("worker", host="a"))
    found = Ledger(parts).fleet()
    assert [found.leads(host) for host in ("a", "b", "c")] == [True, True, False]
    assert b"relay_exporter 0.0" in render(None)
    assert b"relay_config_revision" not in render(None)


def test_an_integration_that_no_worker_serves_is_not_called_live(parts):
    """Each worker misses its secret; while one has it, or does not say (a former release), it is live."""

    def drawn():
        console = Console(width=100, file=io.StringIO())
        console.print(picture(read(parts), 100))
        return console.file.getvalue()

    def states():
        return [read(parts)["items"][0]["state"], badge(Ledger(parts).accounts()[0])[1]]

    name = next(iter(parts.integrations.integrations))
    parts.processes.beat(process("worker", pid=1, missing=1, unserved=(name,)))
    parts.processes.beat(process("web", pid=2))
    assert states() == ["unserved", "NOT SERVED"]
    assert "No worker has its secret." in drawn()
    former = b'{"host":"h","pid":3,"role":"worker","version":"1","revision":1,"since_ms":0,"missing":1}'
    parts.redis.hset(PROCESSES, "h/3/worker", b"%d %b" % (server_ms(parts.redis), former))
    assert states() == ["live", "ENABLED"]
    assert "No worker has its secret." not in drawn()


def test_a_process_says_what_it_does_not_serve(tmp_path, redis_url):
    """By name, in its heartbeat."""
    made = Relay(Settings(redis_url=redis_url, data_dir=tmp_path, shards=2))
    made.revisions.publish(revision(text("first", "NO_SUCH_KEY")), 0)
    assert (made.process().missing > 0, made.process().unserved) == (True, ("first",))
    made.redis.close()
