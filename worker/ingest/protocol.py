"""A sender's connection: uvicorn's, with an end to its patience and to what it keeps in memory before anyone is known.

To be named on uvicorn's command line: `--http worker.ingest.protocol:Protocol`, that of the web door and that of the
console. Without it everything else works, but a sender may hold a connection open with half a request for ever, or fill
the memory with one endless header.
"""

import asyncio
import sys
import weakref
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from config.settings import settings
from worker.ingest.crowd import CROWD
from worker.ingest.direct import DirectProtocol
from worker.ingest.hosts import why
from worker.ingest.problems import problem
from worker.ingest.upgrade import Rest, head_of_body

HEAD_MOST_BYTES = 65_536
# From the first byte of a request, or the start of the connection, to the last byte of the request.
PATIENCE_S = 30.0
_LOOK_S = 2.0
# Requests sent ahead of their answers: no client needs many, and each takes memory before anyone is known.
PIPELINED_MOST = 16


class _FloodError(Exception):
    """More requests were sent ahead of their answers than are kept."""


class Protocol(DirectProtocol):
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
        self._is_head_whole = False
        self._is_asked_to_upgrade = False
        self._data = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
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

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a request that is not whole yet."""
        self._heard, self._ended = True, False
        idle_s, self._data = self.idle_s, data
        super().data_received(data)
        self._data = b""
        if self.begun_s is None:
            self._stay_idle(idle_s)
        if self.begun_s is None or self.transport.is_closing():
            return
        CROWD.hold(self, len(data), self.connections)
        if self._ended:
            return  # nearly all of it was the request before; what follows is counted
        self._bytes += len(data)
        if self._bytes > HEAD_MOST_BYTES and not self._is_head_whole:
            self.refuse(431, "Request header fields too large")
        elif self._bytes > self._most_bytes:
            self.transport.abort()

    def _stay_idle(self, since_s: float | None) -> None:
        """Blank lines begin no request, and no patience: where nothing else is asked, they change nothing."""
        is_answered = self.cycle is not None and self.cycle.response_complete
        if is_answered and self.idle_s is None and self.timeout_keep_alive_task is None:
            self.idle_s = self.loop.time() if since_s is None else since_s

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if len(self.pipeline) >= PIPELINED_MOST:
            raise _FloodError  # for the parser to stop at; those before it are answered, then the connection is closed
        super().on_message_begin()
        self._is_head_whole = False
        self.begun_s, self._bytes = self.loop.time(), 0

    def on_headers_complete(self) -> None:
        """The head is over; what follows may be longer."""
        self._is_head_whole = True
        super().on_headers_complete()
        self._is_asked_to_upgrade = b"upgrade" in self._named and self.parser.should_upgrade()

    def on_message_complete(self) -> None:
        """The last byte of a request; how long the answer takes is not the sender's fault."""
        if self._is_asked_to_upgrade and not self._should_upgrade():
            return  # to the parser there is no body; see `_unsupported_upgrade_warning`
        super().on_message_complete()
        self.begun_s = None
        self._ended = True
        if self.held_bytes:
            CROWD.let_go(self)

    def _unsupported_upgrade_warning(self) -> None:
        """Serve a request that asked for another protocol as it is; uvicorn's parser has stopped behind its head."""
        stop = sys.exc_info()[1]
        if not self._is_asked_to_upgrade or not isinstance(stop, HttpParserUpgrade):
            return
        rest = self._data[stop.args[0] :]
        while True:
            self._is_asked_to_upgrade = False
            self.parser = HttpRequestParser(Rest(self))
            try:
                self.parser.feed_data(head_of_body(self.headers))
                self.parser.feed_data(rest)
            except HttpParserError:
                self.send_400_response("")
            except HttpParserUpgrade as again:  # a request behind it asks too
                rest = rest[again.args[0] :]
                continue
            return

    def on_chunk_header(self) -> None:
        """The head is over: what comes behind the chunks (trailers) is no header."""
        self.headers = []

    def end_if_late(self, now_s: float) -> None:
        """Refuse a request that has taken too long; close a connection on which nothing ever came, or nobody reads."""
        unread = self._joined.unread_bytes()
        if not unread or unread < self._unread_bytes:
            self._read_s = now_s
        elif now_s - self._read_s >= PATIENCE_S:
            CROWD.stalled()
            self.transport.abort()
        self._unread_bytes = unread
        if self.idle_s is not None and now_s - self.idle_s >= self.timeout_keep_alive:
            self.transport.close()
        if self.begun_s is None or now_s - self.begun_s < PATIENCE_S or self.transport.is_closing():
            return
        if self._heard:
            self.refuse(408, "Request timeout")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's message is not a problem document
        """What is no HTTP, or has no clear `Host`; a whole request before it is answered first, and is the last."""
        if self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.refuse(400, "Bad request", detail=why(sys.exc_info()[1]))

    def refuse(self, status: int, title: str, retry_after_s: int = 0, detail: str = "") -> None:
        """Answer, unless an answer is under way, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.abort()
            return
        body = problem(status, title, detail).body
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        if retry_after_s:
            head = b"retry-after: %d\r\n%b" % (retry_after_s, head)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


_watched: weakref.WeakSet[ServerState] = weakref.WeakSet()


def _look(loop: asyncio.AbstractEventLoop, state: ServerState) -> None:
    """Check all connections of a server periodically: a timer for each request would cost more."""
    now_s = loop.time()
    for connection in list(state.connections):
        if isinstance(connection, Protocol):
            connection.end_if_late(now_s)
    loop.call_later(_LOOK_S, _look, loop, state)
