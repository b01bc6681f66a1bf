"""An operator's hold and its end, while Redis fails over."""

import signal
import sys
import threading
from types import SimpleNamespace

import pytest
import redis

from tests.support.parts import make_parts
from tests.support.waiting import until
from worker.acts import copying
from worker.acts.holding import hold, resume
from worker.acts.people import Changed, suppress, unsuppress
from worker.acts.record import Doer
from worker.store.actions import Actions
from worker.store.copied import write_copied
from worker.store.keys import hold_key

ANN = Doer("ann", "new workspace")


@pytest.fixture(autouse=True)
def no_wakes(monkeypatch):
    """Nothing waits, so that nothing is woken."""
    monkeypatch.setitem(sys.modules, "worker.tasks", SimpleNamespace(wake=None))


def is_held(parts):
    return "production" in parts.holds.get(["production"])


def test_a_hold_that_a_fail_over_lost_is_made_again(parts, monkeypatch):
    """The command had said that it was held, and a second later it was not."""
    fail_over(monkeypatch, lambda: parts.redis.delete(*parts.redis.keys("relay:*hold*")))
    assert hold(parts, "production", ANN)
    assert is_held(parts)


def test_a_resume_that_a_fail_over_lost_is_made_again(parts, monkeypatch):
    """The new server still had it held; that it was held before is what is said."""
    parts.holds.hold("production", "operator", 1)
    kept = parts.redis.dump(hold_key("production"))

    def lose():
        parts.redis.delete(*parts.redis.keys("relay:copied:*"))
        parts.redis.restore(hold_key("production"), 0, kept)

    fail_over(monkeypatch, lose)
    done = resume(parts, "production", ANN)
    assert (done.was_held, done.copied, is_held(parts)) == (True, True, False)


def test_what_a_colleague_does_meanwhile_stays(parts, monkeypatch):
    """A replica that lags is waited for; the act is not done again over what was done since."""
    parts.holds.hold("production", "operator", 1)
    fail_over(monkeypatch, lambda: hold(parts, "production", Doer("ben")), copied=False)
    assert resume(parts, "production", ANN).copied
    assert is_held(parts)


def test_a_suppression_that_a_fail_over_lost_is_made_again(parts, monkeypatch):
    """A person who had asked for silence was sent events again, and nothing said so."""
    fail_over(monkeypatch, lambda: parts.redis.delete(*parts.redis.keys("relay:*suppressed*")))
    assert suppress(parts, "jeff", ANN) == Changed(changed=True, copied=True)
    assert parts.suppressed.people() == {"jeff"}
    fail_over(monkeypatch, lambda: parts.suppressed.add("jeff"), copied=False)
    monkeypatch.setattr(copying, "_WITHIN_S", 0)
    assert unsuppress(parts, "jeff", ANN) == Changed(changed=True, copied=False)


def test_a_record_that_cannot_be_kept_is_said(parts, monkeypatch, caplog):
    """It undoes nothing; without it nobody would know later who did it."""

    def refuse(*_):
        raise redis.exceptions.ConnectionError

    monkeypatch.setattr(Actions, "add_done", refuse)
    assert hold(parts, "production", ANN)
    assert is_held(parts)
    assert caplog.messages == ["action_not_recorded act=hold fault=ConnectionError"]


def fail_over(monkeypatch, lose, *, copied=True):
    """Have this lost after it was copied, or seemed to be, for the first time."""
    first = iter([True])

    def fails_over(client, writes, **how):
        is_first = next(first, False)
        done = write_copied(client, writes, **how)
        if is_first:
            lose()
        return done and (copied or not is_first)

    monkeypatch.setattr(copying, "write_copied", fails_over)


def test_a_fail_over_before_a_hold_is_waited_for(parts, server):
    """It ended with 2, and whoever held it had to try again."""
    server.kill()
    back = threading.Timer(1.0, server.start)
    back.start()
    assert hold(parts, "production", ANN)
    assert is_held(parts)
    back.join()


def test_a_node_of_a_cluster_is_killed_behind_a_hold(tmp_path, own_cluster, monkeypatch):
    """Its replica takes over within seconds, in which the cluster serves nobody."""
    cluster = own_cluster()
    parts = make_parts(tmp_path, cluster.url)
    parts.begin()
    fail_over(monkeypatch, cluster.primary_of(hold_key("production")).kill, copied=False)
    assert hold(parts, "production", ANN)
    assert is_held(parts)
    parts.redis.close()


def test_a_replica_that_does_not_follow_is_said(parts, server, own_redis, monkeypatch):
    """It is held, and a fail-over would undo it."""
    replica = own_redis()
    with redis.Redis(port=replica.port) as there:
        there.replicaof("127.0.0.1", server.port)
        until(lambda: there.info("replication")["master_link_status"] == "up", "it follows")
    monkeypatch.setattr(copying, "_WITHIN_S", 0.1)
    replica.send_signal(signal.SIGSTOP)
    try:
        assert not hold(parts, "production", ANN)
        assert is_held(parts)
    finally:
        replica.send_signal(signal.SIGCONT)
    assert resume(parts, "production", ANN).copied


def test_a_user_who_may_not_ask_for_replicas(tmp_path, server):
    """The smallest rules may leave INFO out: who holds then waits for nothing."""
    with redis.Redis(port=server.port) as there:
        smallest = [
            "resetkeys",
            "~relay*",
            "+@read",
            "+@write",
            "+@scripting",
            "+@connection",
            "+@transaction",
            "+time",
        ]
        there.execute_command("ACL", "SETUSER", "relay", "on", ">secret", *smallest, "-@dangerous")
    parts = make_parts(tmp_path, server.url.replace("://", "://relay:secret@"))
    assert hold(parts, "production", ANN)
    assert resume(parts, "production", ANN).copied
    parts.redis.close()
