"""Requests that are answered without ASGI: which ones, and that nobody can tell the difference."""

import contextlib
import json
import re
import socket
from contextlib import closing

import pytest

from tests.support.door import SECRET, TOKEN, Door, make_parts, read_all, running, signed
from tests.support.waiting import elapse, until
from worker.ingest import direct, protocol
from worker.ingest.asgi import Frame
from worker.ingest.protocol import Protocol


@pytest.fixture
def by_asgi(monkeypatch):
    """The paths of the requests that `Frame` was called with."""
    seen, call = [], Frame.__call__

    async def note(frame, scope, receive, send):
        if scope["type"] == "http":
            seen.append(scope["path"])
        await call(frame, scope, receive, send)

    monkeypatch.setattr(Frame, "__call__", note)
    return seen


def post(path, body, *lines):
    """A request with the length of its body."""
    return (
        "\r\n".join([f"POST {path} HTTP/1.1", "Host: d", f"Content-Length: {len(body)}", *lines, "", ""]).encode()
        + body
    )


def webhook(body, *lines, path="/webhooks/purchasely/app", secret=SECRET):
    """A signed one."""
    return post(path, body, *(f"{name}: {value}" for name, value in signed(body, secret).items()), *lines)


def upstream(body, *lines, path="/v1/events/app"):
    """One with a token."""
    return post(path, body, f"Authorization: Bearer {TOKEN}", *lines)


def connect(door):
    return closing(socket.create_connection(("127.0.0.1", door.port), timeout=20))


def answers(one, count):
    """So many answers with a body in JSON."""
    found = b""
    while found.count(b"}") < count:
        piece = one.recv(65536)
        assert piece, found
        found += piece
    return found


def test_a_good_request_is_none_of_asgi(door, by_asgi):
    """A webhook, an event and an array of an upstream service: stored and answered, and the connection goes on."""
    with connect(door) as one:
        for number, request in enumerate(
            (
                webhook(b'{"event_id":"a"}'),
                upstream(b'{"event_id":"b"}'),
                upstream(b'[{"event_id":"b"},{"event_id":"c"}]'),
            )
        ):
            one.sendall(request)
            head, _, body = answers(one, 1).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert b"connection" not in head
            assert json.loads(body) == {"accepted": 1, "duplicates": number // 2}
    assert len(door.stored()) == 3
    assert by_asgi == []


def test_a_request_in_pieces_is_none_of_asgi_either(door, by_asgi):
    """Head and body in packets of their own, as many clients send them."""
    head, _, body = webhook(b'{"event_id":"a"}').partition(b"\r\n\r\n")
    with connect(door) as one:
        for piece in (head[:30], head[30:] + b"\r\n\r\n", body[:5], body[5:]):
            one.sendall(piece)
            elapse(0.05)
        assert answers(one, 1).startswith(b"HTTP/1.1 200")
    assert by_asgi == []


def test_a_long_body_may_be_refused_before_it_is_there(door, by_asgi):
    """ASGI waits for it, and looks at the token first."""
    head = post("/v1/events/app", b" " * 100_000, "Authorization: Bearer wrong").partition(b"\r\n\r\n")[0]
    with connect(door) as one:
        one.sendall(head + b"\r\n\r\n[")
        assert answers(one, 1).startswith(b"HTTP/1.1 401")
    assert by_asgi == ["/v1/events/app"]


def test_requests_sent_ahead_are_answered_in_their_order(door):
    """Good ones, a bad one and a health check, all in one packet."""
    requests = [webhook(b'{"event_id":"%d"}' % n) for n in range(3)]
    requests.insert(2, webhook(b"{}", secret="wrong"))
    requests.append(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n")
    with connect(door) as one:
        one.sendall(b"".join(requests))
        found = answers(one, 5)
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"200", b"200", b"401", b"200", b"200"]
    assert len(door.stored()) == 3


def test_the_connection_ends_when_its_sender_says_so(door):
    """With the answer, which says it too."""
    with connect(door) as one:
        one.sendall(webhook(b"{}", "Connection: close"))
        found = read_all(one)
    assert found.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in found


def test_a_connection_on_which_nothing_is_asked_any_more_is_closed(door, monkeypatch):
    """A moment after the answer, here."""
    monkeypatch.setattr(protocol, "_LOOK_S", 0.05)
    with connect(door) as one:
        made = []
        monkeypatch.setattr(direct.DirectProtocol, "answer", _noting(made, direct.DirectProtocol.answer))
        one.sendall(webhook(b"{}"))
        assert answers(one, 1).startswith(b"HTTP/1.1 200")
        made[0].timeout_keep_alive = 0.1
        assert one.recv(10) == b""


@pytest.mark.parametrize(
    "request_bytes", [webhook(b"{}"), b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n"], ids=["event", "get"]
)
def test_a_blank_line_behind_an_answer_keeps_no_connection_open(door, monkeypatch, request_bytes):
    """It begins no request, so that no patience with one would end: ten thousand of them would fill the door."""
    monkeypatch.setattr(protocol, "_LOOK_S", 0.05)
    made = protocol.Protocol.connection_made

    def hurry(self, transport):
        self.timeout_keep_alive = 1
        made(self, transport)

    monkeypatch.setattr(protocol.Protocol, "connection_made", hurry)
    with connect(door) as one:
        one.sendall(request_bytes)
        assert answers(one, 1).startswith(b"HTTP/1.1 200")
        one.sendall(b"\r\n")
        assert one.recv(10) == b""


def _noting(made, answer):
    def note(self, *args):
        made.append(self)
        answer(self, *args)

    return note


def test_what_cannot_be_stored_is_said(door):
    """503 and when to come again; the connection goes on, and so does what is counted."""
    for shard in range(4):
        door.redis.hset(f"relay:{{{shard}}}:layout", "epoch", 1)
        door.redis.set(f"relay:{{{shard}}}:events:app", "no stream")
    with connect(door) as one:
        one.sendall(webhook(b'{"event_id":"a"}'))
        found = answers(one, 1)
        assert found.startswith(b"HTTP/1.1 503")
        assert b"\r\nretry-after: 5\r\n" in found
        door.redis.flushdb()
        assert b'relay_http_requests_total{route="webhook",status="503"}' in door.ask("GET", "/metrics").body


def test_who_hangs_up_while_its_event_is_stored_has_sent(door):
    """The event is there, and the next sender is served."""
    door.redis.client_pause(300, all=False)
    with connect(door) as one:
        one.sendall(webhook(b'{"event_id":"a"}'))
        elapse(0.1)
    until(lambda: len(door.stored()) == 1, "it is stored")
    assert door.webhook({"event_id": "b"}).status == 200


def test_who_still_waits_at_the_end_of_the_grace_time_is_told(tmp_path, own_redis, environ):
    """Redis is silent and the door stops: 503, send it again."""
    with contextlib.ExitStack() as stack:
        parts = make_parts(tmp_path, own_redis().url, remember_s=0, append_timeout_s=60)
        with running(parts) as slow:
            assert slow.webhook({"event_id": "a"}).status == 200
            one = stack.enter_context(connect(slow))
            slow.redis.client_pause(5000, all=False)
            one.sendall(webhook(b'{"event_id":"b"}'))
            elapse(0.2)
        assert read_all(one).startswith(b"HTTP/1.1 503")


BODIES = {
    "event": b'{"event_id":"a","user_id":"u"}',
    "blanks": b' {"event_id":"a"} \r\n',
    "mark": b"\xef\xbb\xbf{}",
    "not JSON": b'{"event_id":',
    "no object": b"[1]",
    "array": b'[{"event_id":"x"},{"event_id":"x"},{"event_id":"y"}]',
    "none": b"[]",
    "nothing": b"",
    "surrogate": rb'{"event_id":"caf\ud83d"}',
    "deep": b'{"a":' + b"[" * 70 + b"]" * 70 + b"}",
    "long": b'{"event_id":"%b"}' % (b"x" * 70_000),
}
HEADS = {
    "as ever": (),
    "token twice": (f"Authorization: Bearer {TOKEN}",),
    "signature twice": ("X-PURCHASELY-TIMESTAMP: 1",),
    "compressed": ("Content-Encoding: gzip",),
    "not compressed": ("Content-Encoding: identity",),
    "type": ("Content-Type: text/html",),
    "lines": ("Content-Type: application/x-ndjson",),
    "asks": ("Expect: 100-continue",),
    "odd": ("Expect: the unexpected",),
    "upgrade": ("Connection: Upgrade", "Upgrade: websocket"),
    "keep": ("Connection: keep-alive",),
    "folded": ("X-Odd:\tvalue  ", "x-empty:"),
}
PATHS = ("app", "app/", "nobody", "", "app?x=1", "%61pp", "signed-only", "app/app", "\u00e4")


def requests():
    """Each body, each head and each path, for both kinds of senders."""
    for send, route in ((webhook, "/webhooks/purchasely/"), (upstream, "/v1/events/")):
        for body in BODIES.values():
            yield send(body)
        for lines in HEADS.values():
            yield send(BODIES["event"], *lines)
        for path in PATHS:
            yield send(BODIES["event"], path=route + path)
        yield send(b"{}").replace(b"HTTP/1.1", b"HTTP/1.0")
        yield send(b"{}").replace(b"POST", b"PUT")
        yield (
            send(b"{}")
            .replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
            .replace(b"\r\n\r\n{}", b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        )
    yield post("/webhooks/purchasely/app", b"{}")
    yield post("/v1/events/app", b"{}")
    yield webhook(b"{}", secret="wrong")


def outcome(door: Door, request: bytes) -> tuple[bytes, list[bytes]]:
    """The answer without its date, and what is stored then."""
    door.redis.flushdb()
    with connect(door) as one:
        one.sendall(request)
        found = answers(one, 1)
    return re.sub(rb"date: [^\r]*\r\n", b"", found), door.stored()


class ByAsgi(Protocol):
    """A connection on which every request is uvicorn's."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._is_direct = False


def test_every_request_is_answered_as_by_asgi(door, tmp_path, redis_url, environ):
    """Whatever a sender does, both ways store the same and say the same."""
    with running(make_parts(tmp_path, redis_url, remember_s=0), ByAsgi) as other:
        for request in requests():
            assert outcome(door, request) == outcome(other, request), request[:300]
