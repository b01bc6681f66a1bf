"""What takes events, called by a server that speaks ASGI only, and by one that hands over and takes in one call."""

import asyncio
from typing import Any

import falcon.asgi
import pytest

from worker.ingest.asgi import DIRECT, Body, Frame

LIMIT = 10


class Server:
    """One request's server. `whole`: the body it hands over at once; `sends`: whether it takes an answer at once."""

    def __init__(self, *pieces, whole=None, sends=False):
        self.pieces = list(pieces)
        self.whole = whole
        self.sends = sends
        self.sent: list[Any] = []

    async def receive(self):
        if not self.pieces:
            return {"type": "http.disconnect"}
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message):
        self.sent.append(message)

    def whole_body(self, _scope):
        return self.whole

    def answer_whole(self, _scope, head, body):
        if self.sends:
            self.sent.append((head, body))
        return self.sends


async def echo(_source, _headers, body: Body) -> bytes:
    return await body.read(LIMIT)


def serve(server, *, direct=True, method="POST", headers=()):
    scope = {"type": "http", "method": method, "path": "/take/it", "headers": list(headers)}
    if direct:
        scope["extensions"] = {DIRECT: server}
    asyncio.run(Frame({"/take": echo}, falcon.asgi.App())(scope, server.receive, server.send))
    return server.sent


def as_asgi(status, body, content_type=b"application/json"):
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    return [
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


@pytest.mark.parametrize("direct", [True, False])
def test_a_body_in_pieces_is_read_from_asgi(direct):
    """With or without a server that could have handed it over whole."""
    assert serve(Server(b"ab", b"cd"), direct=direct) == as_asgi(200, b"abcd")


def test_a_whole_body_is_not_asked_for_again():
    """ASGI's messages are left alone."""
    assert serve(Server(whole=b"abcd")) == as_asgi(200, b"abcd")


def test_a_server_that_takes_the_answer_is_sent_no_messages():
    """One call with the header lines and the body."""
    assert serve(Server(whole=b"ab", sends=True)) == [(b"content-type: application/json\r\n", b"ab")]


@pytest.mark.parametrize("server", [Server(whole=b"x" * 11, sends=True), Server(b"x" * 11), Server(b"x" * 6, b"x" * 5)])
def test_the_limit_holds_however_the_body_comes(server):
    """413, and a refusal always goes by ASGI."""
    start, body = serve(server)
    assert start["status"] == 413
    assert b"nothing of it was stored" in body["body"]


def test_who_breaks_off_is_not_answered():
    """There is nobody to read it."""
    assert serve(Server(sends=True)) == []


def test_a_compressed_whole_body_is_refused():
    """415, as in pieces."""
    start, _ = serve(Server(whole=b"ab", sends=True), headers=[(b"content-encoding", b"gzip")])
    assert start["status"] == 415


def test_a_header_given_twice_is_neither():
    """Both values, joined: it is not what it should be."""
    seen = []

    async def note(_source, headers, _body):
        seen.append(headers)
        return b"{}"

    pairs = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    scope = {"type": "http", "method": "POST", "path": "/take/it", "headers": pairs}
    server = Server()
    asyncio.run(Frame({"/take": note}, falcon.asgi.App())(scope, server.receive, server.send))
    assert seen == [{b"a": b"1,3", b"b": b"2"}]
