"""An operator's hold and its end, while Redis fails over."""

import signal
import sys
import threading
from types import SimpleNamespace

import pytest
import redis

from tests.support.parts import make_parts
from tests.support.waiting import until
from worker.acts import holding
from worker.acts.holding import hold, resume
from worker.acts.record import Doer
from worker.store.copied import write_copied
from worker.store.keys import hold_key

ANN = Doer("ann", "new workspace")


@pytest.fixture
def server(own_redis):
    return own_redis()


@pytest.fixture
def parts(tmp_path, server):
    made = make_parts(tmp_path, server.url)
    made.begin()
    yield made
    made.redis.close()


@pytest.fixture(autouse=True)
def no_wakes(monkeypatch):
    """Nothing waits, so that nothing is woken."""
    monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake=None))


def is_held(parts):
    return "production" in parts.holds.get(["production"])


def test_a_hold_that_a_fail_over_lost_is_made_again(parts, monkeypatch):
    """The command had said that it was held, and a second later it was not."""
    lost = iter([True])

    def fails_over(client, writes):
        if next(lost, False):
            parts.redis.delete(hold_key("production"))
            return False
        return write_copied(client, writes)

    monkeypatch.setattr(holding, "write_copied", fails_over)
    assert hold(parts, "production", ANN)
    assert is_held(parts)


def test_a_resume_that_a_fail_over_lost_is_made_again(parts, monkeypatch):
    """The new server still had it held; that it was held before is what is said."""
    parts.holds.hold("production", "operator", 1)
    lost = iter([True])

    def fails_over(client, writes):
        if next(lost, False):
            parts.holds.hold("production", "operator", 1)
            return False
        return write_copied(client, writes)

    monkeypatch.setattr(holding, "write_copied", fails_over)
    done = resume(parts, "production", ANN)
    assert (done.was_held, done.copied, is_held(parts)) == (True, True, False)


def test_a_fail_over_before_a_hold_is_waited_for(parts, server):
    """It ended with 2, and whoever held it had to try again."""
    server.kill()
    back = threading.Timer(1.0, server.start)
    back.start()
    assert hold(parts, "production", ANN)
    assert is_held(parts)
    back.join()


def test_a_replica_that_does_not_follow_is_said(parts, server, own_redis, monkeypatch):
    """It is held, and a fail-over would undo it."""
    replica = own_redis()
    with redis.Redis(port=replica.port) as there:
        there.replicaof("127.0.0.1", server.port)
        until(lambda: there.info("replication")["master_link_status"] == "up", "it follows")
    monkeypatch.setattr(holding, "_COPIED_WITHIN_S", 0.1)
    replica.send_signal(signal.SIGSTOP)
    try:
        assert not hold(parts, "production", ANN)
        assert is_held(parts)
    finally:
        replica.send_signal(signal.SIGCONT)
    assert resume(parts, "production", ANN).copied
