"""What the threads of one process share to serve integrations, and what is left of an integration that was removed."""

import threading
import uuid
from types import SimpleNamespace
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest

from tests.support.deadstack import event, opened
from tests.support.waiting import until
from worker.replay.serving import Serving
from worker.store.lane import Lane


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay with one integration."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def serving_of(dead, config):
    """What serves the integrations that `config` gives."""
    parts = dead.parts
    known = (parts.redis, parts.streams, parts.holders, parts.holds, parts.suppressed, parts.jobs, parts.claims)
    return Serving(dead.settings, config, *known)


def deliver(dead, serving, number):
    """Deliver one event of a person."""
    dead.append(event(number))
    for shard in range(dead.settings.shards):
        serving.delivery(Lane("app", "production", shard), dead.stop).run(uuid.uuid4().hex)


def test_threads_share_the_permits_of_an_integration(dead, monkeypatch):
    """Two threads with one request each take their turns from the same pace: no thread keeps permits for itself."""
    paces = []

    class Counted:
        def __init__(self, *_):
            self.turns = 0
            paces.append(self)

        def wait(self):
            self.turns += 1

    monkeypatch.setattr("worker.replay.serving.RequestPace", Counted)
    serving = serving_of(dead, lambda: dead.parts.integrations)

    def one(number):
        deliver(dead, serving, number)
        serving.close()

    for number in range(2):
        thread = threading.Thread(target=one, args=(number,))
        thread.start()
        thread.join()
    assert max(pace.turns for pace in paces) == 2


def test_the_session_of_a_removed_integration_is_closed(dead, customerio):
    """Once a thread serves under a revision without an integration, its connection to that Customer.io is gone."""
    port = urlsplit(customerio[0]).port
    config = dead.parts.integrations
    serving = serving_of(dead, lambda: config)

    def connections():
        every = psutil.Process().net_connections("tcp")
        return [one for one in every if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED]

    deliver(dead, serving, 1)
    assert len(connections()) == 1
    other = msgspec.structs.replace(config.integrations["production"], name="other")
    config = SimpleNamespace(integrations={"other": other})
    serving.delivery(Lane("app", "other", 0), dead.stop)
    until(lambda: not connections(), "the connection is closed")
    serving.close()
