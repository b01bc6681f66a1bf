"""RELAY_REPLICAS_ACK: a 200 says that replicas have the event, too."""

import os
import signal

import pytest

from tests.integration.ingest.test_ingest_redis import event, is_refused
from tests.support.door import make_parts, running
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("environ")


@pytest.fixture
def pair(own_redis):
    """A primary and its replica, in step."""
    first = own_redis()
    second = own_redis(replicaof=f"127.0.0.1 {first.port}")
    return first, second


def in_step(door):
    return door.redis.info("replication").get("slave0", {}).get("state") == "online"


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_a_200_waits_for_the_replica(tmp_path, pair, on_disk):
    """While it is frozen: 503 with the reason, also when the event is sent again; then 200, stored once."""
    first, second = pair
    chosen = {"append_timeout_s": 2.0, "replicas_ack": 1, "replicas_ack_disk": on_disk}
    with running(make_parts(tmp_path, first.url, **chosen)) as door:
        until(lambda: in_step(door), "the replica follows")
        # its append-only file is written again after the first copy, and confirms nothing until then
        until(lambda: door.webhook(event("a")).status == 200, "it confirms")
        os.kill(second.pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                answer = door.webhook(event("b"))
                assert is_refused(answer, "replicas")
                assert "too few of its replicas" in answer.json["detail"]
        finally:
            os.kill(second.pid, signal.SIGCONT)
        until(lambda: door.webhook(event("b")).status == 200, "it confirms")
        assert len(door.stored()) == 2


def test_without_replicas_nothing_is_answered_with_200(tmp_path, own_redis):
    """Somebody asked for a second copy: there is none."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, append_timeout_s=2.0, replicas_ack=1)) as door:
        assert is_refused(door.webhook(event("a")), "replicas")


def test_a_server_that_misses_its_replicas_is_refused_by_itself(tmp_path, own_redis):
    """NOREPLICAS (min-replicas-to-write): 503 with the reason, and service when they are back."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        assert door.webhook(event("a")).status == 200
        door.redis.config_set("min-replicas-to-write", 1)
        assert is_refused(door.webhook(event("b")), "replicas")
        door.redis.config_set("min-replicas-to-write", 0)
        assert door.webhook(event("b")).status == 200
