"""Connections to a primary that was replaced, while it hangs."""

import socket
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
import redis

from tests.support.certificates import Authority
from tests.support.waiting import until
from worker.process.former import Leaver, LedConnection, LedSecureConnection


class Pool:
    """A pool over Sentinels that name the server of the choice of a test."""

    def __init__(self, server):
        self.service_name, self.is_master, self.check_connection = "relay", True, False
        self.named = ("127.0.0.1", server.port)
        mine = SimpleNamespace(get_connection_kwargs=lambda: {"host": "127.0.0.1", "port": server.port})
        self.sentinel_manager = SimpleNamespace(sentinels=[mine], discover_master=lambda _: self.name())

    def name(self):
        if self.named is None:
            raise redis.sentinel.MasterNotFoundError
        return self.named

    def get_master_address(self):
        return self.named


@pytest.fixture
def both(own_redis):
    return own_redis(), own_redis()


def make_link(pool, kind=LedConnection, **options):
    return kind(connection_pool=pool, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0), **options)


def waiting(pool, kind=LedConnection, **options):
    """A connection that waits for a message, and what comes of it."""
    link = make_link(pool, kind, **options)
    found = []

    def read():
        try:
            link.connect()
            link.send_command("BLPOP", "nothing", 0)
            found.append(link.read_response())
        except redis.ConnectionError as fault:
            link.disconnect()
            found.append(fault)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    return SimpleNamespace(link=link, found=found, reader=reader)


def test_who_waits_on_a_former_primary_goes_on(both, caplog):
    """At the second look; who waits on the one that is named stays, and nobody goes while none is named."""
    old, new = both
    pool = Pool(old)
    one, leaver = waiting(pool), Leaver()
    until(lambda: one.link._sock, "it is open")
    for _ in range(3):
        leaver.look()
    pool.named = None
    for _ in range(3):
        leaver.look()
    assert one.reader.is_alive()
    pool.named = ("127.0.0.1", new.port)
    other = waiting(pool)
    until(lambda: other.link._sock, "it is open")
    leaver.look()
    assert one.reader.is_alive()
    leaver.look()
    until(lambda: one.found, "it ends")
    assert isinstance(one.found[0], redis.ConnectionError)
    assert caplog.messages == ["former_primary_left connections=1"]
    leaver.look()
    assert other.reader.is_alive()
    other.link.disconnect()


def test_a_disagreement_of_a_moment_turns_nobody_away(both):
    """Two looks in a row must find it so."""
    old, new = both
    pool = Pool(old)
    one, leaver = waiting(pool), Leaver()
    until(lambda: one.link._sock, "it is open")
    for server in (new, old, new, old):
        pool.named = ("127.0.0.1", server.port)
        leaver.look()
    assert one.reader.is_alive()
    one.link.disconnect()


def test_a_connection_that_nobody_uses_is_ended_once(both, caplog):
    """It lies in the pool until somebody does; then it goes to the server that is named now, not to its last one."""
    old, new = both
    pool = Pool(old)
    link, leaver = make_link(pool), Leaver()
    link.connect()
    pool.named = ("127.0.0.1", new.port)
    for _ in range(5):
        leaver.look()
    assert caplog.messages == ["former_primary_left connections=1"]
    with pytest.raises(redis.ConnectionError):
        ask_port(link)
    link.disconnect()
    assert ask_port(link) == str(new.port).encode()
    for _ in range(2):
        leaver.look()
    assert len(caplog.messages) == 1
    link.disconnect()


def ask_port(link):
    link.send_command("CONFIG", "GET", "port")
    answer = link.read_response()
    return answer[b"port"] if isinstance(answer, dict) else answer[1]


def test_a_server_that_hangs_at_the_beginning_is_left_with_tls_too(both, tmp_path):
    """It takes the connection, and nothing after it; the farewell of TLS would wait as long."""
    authority = Authority(tmp_path, "ours")
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        shaken = []

        def serve():
            taken, _ = listening.accept()
            shaken.append(authority.context("127.0.0.1").wrap_socket(taken, server_side=True))

        threading.Thread(target=serve, daemon=True).start()
        pool = Pool(SimpleNamespace(port=port))
        one = waiting(pool, LedSecureConnection, ssl_ca_certs=str(authority.pem), socket_timeout=200)
        until(lambda: shaken and one.link._sock, "it is open")
        pool.named, leaver = ("127.0.0.1", both[0].port), Leaver()
        for _ in range(2):
            leaver.look()
        until(lambda: one.found, "it ends")
        assert isinstance(one.found[0], redis.ConnectionError)
        shaken[0].close()


def test_each_connection_goes_by_the_sentinel_that_it_asks_itself(both):
    """One that disagrees for good, cut off with the former primary, would have others' connections ended for ever."""
    old, new = both
    right, wrong = Pool(new), Pool(old)
    wrong.sentinel_manager.sentinels, right.sentinel_manager.sentinels = (
        [*one.sentinel_manager.sentinels, *other.sentinel_manager.sentinels]
        for one, other in ((wrong, right), (right, wrong))
    )
    links, leaver = [make_link(pool) for pool in (right, wrong)], Leaver()
    for link in links:
        link.connect()
    opened = [link._sock for link in links]
    for _ in range(3):
        leaver.look()
    assert [ask_port(link) for link in links] == [str(new.port).encode(), str(old.port).encode()]
    assert [link._sock for link in links] == opened
    for link in links:
        link.disconnect()
