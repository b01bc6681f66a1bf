"""A sender's connection: uvicorn's, with an end to its patience and to what it keeps in memory before anyone is known.

To be named on uvicorn's command line: `--http worker.ingest.protocol:Protocol`. Without it everything else works, but a
sender may hold a connection open with half a request for ever, or fill the memory with one endless header.
"""

import asyncio
import weakref
from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from config.settings import settings
from worker.ingest.asgi import DIRECT
from worker.ingest.crowd import CROWD
from worker.ingest.problems import problem

HEAD_MOST_BYTES = 65_536
# From the first byte of a request, or the start of the connection, to the last byte of the request.
PATIENCE_S = 30.0
_LOOK_S = 2.0
# Requests sent ahead of their answers: no client needs many, and each takes memory before anyone is known.
PIPELINED_MOST = 16


class _FloodError(Exception):
    """More requests were sent ahead of their answers than are kept."""


# How a final answer begins; 100 Continue is not final.
_FINAL = (b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5")


class Joined:
    """A transport that sends an answer's head with its body: uvicorn writes them apart, a packet and a call each."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.abort = transport.abort
        self.unread_bytes = transport.get_write_buffer_size

    def write(self, data: bytes) -> None:
        """Send, or keep a final answer's head until the next call of any kind."""
        if self._head:
            data = self._head + data
            self._head = b""
        elif data.startswith(_FINAL):
            self._head = data
            return
        self._transport.write(data)

    def write_whole(self, data: bytes) -> None:
        """Send an answer that has its head and its body."""
        self.flush()
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close once all is sent."""
        self.flush()
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """HTTP/1.1, for requests that arrive whole, in time and in size."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # chunks have a frame of their own; what is over the limit is refused long before, if anyone reads it
        self._most_bytes = HEAD_MOST_BYTES + 2 * settings().max_body_bytes
        self.begun_s: float | None = None
        self.held_bytes = 0
        self._bytes = 0
        self._unread_bytes = 0
        self._read_s = 0.0
        self._heard = False
        self._ended = False
        self.scope: Any = {}
        self._extensions = {DIRECT: self}
        if isinstance(self.app, ProxyHeadersMiddleware) and not self.access_log:
            # it would work out the client's address behind a proxy, which is not used: a twentieth of a webhook's time
            self.app = self.app.app

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._joined = Joined(transport)
        super().connection_made(cast("asyncio.Transport", self._joined))
        self.begun_s = self.loop.time()
        if self.server_state not in _watched:
            _watched.add(self.server_state)
            _look(self.loop, self.server_state)
        if len(self.connections) > CROWD.most():
            CROWD.turn_away(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Break circular references, as uvicorn does with its parser."""
        super().connection_lost(exc)
        CROWD.let_go(self)
        self.pipeline.clear()
        self._extensions.clear()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a request that is not whole yet."""
        self._heard, self._ended = True, False
        super().data_received(data)
        if self.begun_s is None or self.transport.is_closing():
            return
        CROWD.hold(self, len(data), self.connections)
        if self._ended:
            return  # nearly all of it was the request before; what follows is counted
        self._bytes += len(data)
        # uvicorn learns the method at the end of the head
        if self._bytes > HEAD_MOST_BYTES and "method" not in self.scope:
            self.refuse(431, "Request header fields too large")
        elif self._bytes > self._most_bytes:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if len(self.pipeline) >= PIPELINED_MOST:
            raise _FloodError  # for the parser to stop at; those before it are answered, then the connection is closed
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self.begun_s, self._bytes = self.loop.time(), 0

    def on_message_complete(self) -> None:
        """The last byte of a request; how long the answer takes is not the sender's fault."""
        super().on_message_complete()
        self.begun_s = None
        self._ended = True
        if self.held_bytes:
            CROWD.let_go(self)

    def on_chunk_header(self) -> None:
        """The head is over: what comes behind the chunks (trailers) is no header."""
        self.headers = []

    def whole_body(self, scope: Any) -> bytes | None:
        """The request's body, if all of it is there and nothing is unusual: see `worker.ingest.asgi.Direct`."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue:
            return None
        self.flow.resume_reading()
        body, cycle.body = bytes(cycle.body), bytearray()
        return body

    def answer_whole(self, scope: Any, head: bytes, body: bytes) -> bool:
        """Send a 200, if nothing is unusual: see `worker.ingest.asgi.Direct`."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.disconnected or cycle.response_started:
            return False
        if cycle.access_log or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        more = _lines(self.server_state.default_headers) + (b"" if cycle.keep_alive else b"connection: close\r\n")
        self._joined.write_whole(b"HTTP/1.1 200 OK\r\n%b%bcontent-length: %d\r\n\r\n%b" % (more, head, len(body), body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        """An answer to HEAD is a head."""
        self._joined.flush()
        super().on_response_complete()

    def end_if_late(self, now_s: float) -> None:
        """Refuse a request that has taken too long; close a connection on which nothing ever came, or nobody reads."""
        unread = self._joined.unread_bytes()
        if not unread or unread < self._unread_bytes:
            self._read_s = now_s
        elif now_s - self._read_s >= PATIENCE_S:
            CROWD.stalled()
            self.transport.abort()
        self._unread_bytes = unread
        if self.begun_s is None or now_s - self.begun_s < PATIENCE_S or self.transport.is_closing():
            return
        if self._heard:
            self.refuse(408, "Request timeout")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's message is not a problem document
        """What is no HTTP at all; the answer to a whole request before it comes first, and is the last."""
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.refuse(400, "Bad request")

    def refuse(self, status: int, title: str, retry_after_s: int = 0) -> None:
        """Answer, unless an answer is under way, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        body = problem(status, title).body
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        if retry_after_s:
            head = b"retry-after: %d\r\n%b" % (retry_after_s, head)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The headers of every answer, encoded; uvicorn makes a new list of them each second."""
    if _encoded[0] is not headers:
        _encoded[:] = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return cast("bytes", _encoded[1])


_encoded: list[Any] = [None, b""]
_watched: weakref.WeakSet[ServerState] = weakref.WeakSet()


def _look(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    """Check all connections of a server periodically: a timer for each request would cost more."""
    now_s = loop.time()
    for connection in list(state.connections):
        if isinstance(connection, Protocol):
            connection.end_if_late(now_s)
    loop.call_later(_LOOK_S, _look, loop, state)
