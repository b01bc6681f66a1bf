"""Many connections at once, of senders who do not finish, do not read, or are too many: the others are served."""

import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest

from tests.integration.ingest.test_ingest_http import status_of
from tests.support.door import bearer, head, make_parts, read_all, running, signed
from tests.support.waiting import until
from worker.ingest import crowd, protocol
from worker.ingest.crowd import CROWD

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.fixture
def quiet(monkeypatch):
    """No line of the log is held back because of an earlier test."""
    monkeypatch.setattr(CROWD._log, "_logged", {})


def connect(door):
    return socket.create_connection(("127.0.0.1", door.port), timeout=30)


def test_requests_sent_far_ahead_of_their_answers_are_not_kept(door):
    """Some are answered, then the connection is closed: each would take memory before anyone is known."""
    with closing(connect(door)) as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n" * 4000)
        answered = read_all(one).count(b"HTTP/1.1 200")
    assert 1 <= answered <= 2 * protocol.PIPELINED_MOST


def test_who_does_not_read_is_dropped(door, monkeypatch, caplog):
    """What waits to be read takes memory; a moment without a byte read is enough here."""
    monkeypatch.setattr(protocol, "PATIENCE_S", 0.3)
    monkeypatch.setattr(protocol, "_LOOK_S", 0.1)
    monkeypatch.setattr(protocol, "PIPELINED_MOST", 10_000)
    with closing(socket.socket()) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", door.port))
        one.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: d\r\n\r\n" * 2000)
        until(lambda: "connections_dropped" in caplog.text, "it is dropped")
    assert door.ask("GET", "/healthz").status == 200


def test_half_bodies_of_strangers_do_not_add_up(door, monkeypatch, caplog):
    """Beyond the bound the oldest are refused, with a 503; a sender who finishes is served."""
    monkeypatch.setattr(crowd, "HELD_MOST_BYTES", 1_000_000)
    half = head("/webhooks/purchasely/app", "Content-Length: 200000", *lines(b"{}")) + b"x" * 100_000
    with ExitStack() as stack:
        strangers = []
        for _ in range(30):
            one = stack.enter_context(closing(connect(door)))
            one.sendall(half)
            strangers.append(one)
        assert door.webhook({"event_id": "a"}).status == 200
        until(lambda: "requests_refused" in caplog.text, "the oldest are refused")
        refused = read_all(strangers[0])
        assert status_of(refused) == 503
        assert b"retry-after: 5" in refused
        assert CROWD.held_bytes <= 1_000_000
    until(lambda: CROWD.held_bytes == 0, "what is given up is not counted")


def test_a_body_in_pieces_is_counted_until_it_is_whole(door):
    """Nothing is left of it afterwards, whatever came before it on the connection."""
    body = b'{"event_id":"a","x":"%b"}' % (b"x" * 90_000)
    request = bearer("/v1/events/app", f"Content-Length: {len(body)}")
    reply = door.raw(request[:20], request[20:] + body[:40_000], body[40_000:], pause_s=0.02)
    assert status_of(reply) == 200
    assert CROWD.held_bytes == 0


@pytest.mark.usefixtures("environ")
def test_connections_beyond_the_most_are_refused_and_it_is_said(tmp_path, redis_url, monkeypatch, caplog):
    """503 with Retry-After, a line in the log; who is connected is served, and so is who comes when there is room."""
    with running(make_parts(tmp_path, redis_url)) as door, ExitStack() as stack:
        inside = [stack.enter_context(closing(connect(door))) for _ in range(3)]
        inside[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n")
        assert status_of(inside[0].recv(65536)) == 200
        monkeypatch.setattr(CROWD, "_most", 3)
        reply = door.raw(head("/healthz", method="GET"))
        assert status_of(reply) == 503
        assert b"retry-after: 5" in reply
        assert "connections_refused" in caplog.text
        inside[1].sendall(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n")
        assert status_of(inside[1].recv(65536)) == 200
        inside[2].close()
        until(lambda: door.raw(head("/healthz", method="GET")).startswith(b"HTTP/1.1 200"), "there is room")


def test_the_descriptor_limit_is_raised_at_the_start():
    """As far as the process may, and no further than it needs; Redis and the broker keep some."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard}))\n"
        "from worker.ingest.crowd import CROWD; print(CROWD.most(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    wanted = min(hard if hard != resource.RLIM_INFINITY else 1 << 30, crowd.CONNECTIONS_MOST + crowd.SPARE_DESCRIPTORS)
    assert ran.stdout.split() == [str(wanted - crowd.SPARE_DESCRIPTORS), str(wanted)]


def lines(body):
    return [f"{name}: {value}" for name, value in signed(body).items()]
