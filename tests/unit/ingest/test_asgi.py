"""What takes events, called by a server that speaks ASGI only."""

import asyncio
from typing import Any

import falcon.asgi
import pytest

from config.integrations import Source, default_identity
from worker.ingest.arguments import Incoming
from worker.ingest.asgi import Frame

SOURCE = Source("it", (), (), None, default_identity())


class Server:
    """One request's server, which has the body in these pieces."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.sent: list[Any] = []

    async def receive(self):
        if not self.pieces:
            return {"type": "http.disconnect"}
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message):
        self.sent.append(message)


class Taker:
    """Takes each byte for an event."""

    limit_bytes = 10

    def __init__(self):
        self.seen = []

    def admit(self, _name, headers):
        self.seen.append(headers)
        return SOURCE

    def read(self, name, _source, _headers, raw):
        return [Incoming(name, 0, chr(byte), "", b"{}") for byte in raw]


class Store:
    """Has each event once."""

    def __init__(self):
        self.known = set()

    async def append(self, events):
        before = len(self.known)
        self.known.update(event.key for event in events)
        return len(self.known) - before

    def post(self, events, tell):
        raise NotImplementedError


def serve(server, *, taker=None, headers=()):
    scope = {"type": "http", "method": "POST", "path": "/take/it", "headers": list(headers)}
    frame = Frame({"/take": taker or Taker()}, Store(), falcon.asgi.App())
    asyncio.run(frame(scope, server.receive, server.send))
    return server.sent


def test_a_body_in_pieces_is_read_as_one():
    """Four events, of which one comes twice."""
    body = b'{"accepted": 3, "duplicates": 1}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    assert serve(Server(b"ab", b"ca")) == [
        {"type": "http.response.start", "status": 200, "headers": headers},
        {"type": "http.response.body", "body": body},
    ]


@pytest.mark.parametrize("server", [Server(b"x" * 11), Server(b"x" * 6, b"x" * 5)])
def test_the_limit_holds_however_the_body_comes(server):
    """413."""
    start, body = serve(server)
    assert start["status"] == 413
    assert b"nothing of it was stored" in body["body"]


def test_who_breaks_off_is_not_answered():
    """There is nobody to read it."""
    assert serve(Server()) == []


def test_a_compressed_body_is_refused():
    """415."""
    start, _ = serve(Server(b"ab"), headers=[(b"content-encoding", b"gzip")])
    assert start["status"] == 415


def test_a_header_given_twice_is_neither():
    """Both values, joined: it is not what it should be."""
    taker = Taker()
    serve(Server(b"a"), taker=taker, headers=[(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert taker.seen == [{b"a": b"1,3", b"b": b"2"}]
