"""Requests that bring events, taken and answered without ASGI: its messages, task and future cost half of a webhook.

A request goes this way once its body is there, when nothing in it is unusual and its events are taken. Whatever else
it is, uvicorn hears of it after all, and `Frame` says by ASGI what is wrong with it.
"""

import asyncio
import time
from typing import Any, cast

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from worker.errors import NotStoredError
from worker.ingest.asgi import Frame, Headers, Route, stored
from worker.ingest.hosts import check_host
from worker.ingest.joined import Joined
from worker.ingest.problems import Answer

# A longer body is waited for by ASGI, which may refuse it before all of it is there.
_WAITED_FOR_BYTES = 65_536
# A request with one of these has more to it than a head and a body.
_UNUSUAL = frozenset({b"expect", b"upgrade", b"transfer-encoding", b"content-encoding"})


class _NobodyWaits:
    """In the place of the event by which a cycle's application hears of messages."""

    def set(self) -> None:
        """Nothing."""


class Waiting:
    """A request whose events are on their way: in the place of uvicorn's cycle and of its task."""

    __slots__ = ("_began_s", "_protocol", "_route", "disconnected", "events", "keep_alive", "response_complete")

    more_body = response_started = False
    message_event = _NobodyWaits()

    def __init__(self, protocol: "DirectProtocol", route: Route, began_s: float, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._route = route
        self._began_s = began_s
        self.keep_alive = keep_alive
        self.events = 0
        self.disconnected = self.response_complete = False

    def tell(self, result: int | NotStoredError) -> None:
        """Answer: so many of the events were new, or they may not be stored."""
        if type(result) is not int:
            self._refuse(cast("NotStoredError", result))
        elif not self.response_complete:
            self._protocol.answer(self, result)
            self._protocol.frame.note(self._route, 200, self._began_s)

    def cancel(self, msg: Any = None) -> None:  # noqa: ARG002 - as a task's
        """The server's grace time at its stop is over; as with a task, what follows comes a moment later."""
        self._protocol.loop.call_soon(self._refuse, asyncio.CancelledError())

    def _refuse(self, fault: BaseException) -> None:
        if self.response_complete:
            return
        answer = self._protocol.frame.refusal(self._route, fault)
        self._protocol.answer(self, answer)
        self._protocol.frame.note(self._route, answer.status, self._began_s)


class DirectProtocol(HttpToolsProtocol):
    """HTTP/1.1 for `Frame`; any other application is served as uvicorn does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = self.access_log and self.config.access_log  # whoever listens to its logger did not ask for it
        if isinstance(self.app, ProxyHeadersMiddleware) and not self.access_log:
            # it would work out the client's address behind a proxy, which is not used: a twentieth of a webhook's time
            self.app = self.app.app
        self.frame = cast("Frame", self.app)
        is_plain = not self.access_log and self.limit_concurrency is None and not self.root_path
        self._is_direct = is_plain and isinstance(self.app, Frame)
        self.scope: Any = {}
        # Of the request that is being received; none: it is uvicorn's.
        self._route: Route | None = None
        self._named: Headers = {}
        self._pieces: list[bytes] = []
        self.idle_s: float | None = None
        """Since when nothing is asked; None: uvicorn has a timer for it, or something is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        self._joined = Joined(transport)
        super().connection_made(cast("asyncio.Transport", self._joined))

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request."""
        self.idle_s = None
        super().data_received(data)
        if self._route is not None and int(self._named.get(b"content-length", 0)) > _WAITED_FOR_BYTES:
            self._to_uvicorn()

    def on_message_begin(self) -> None:
        """Begin a request; uvicorn hears of it when its head is there."""
        self.url = b""
        self.headers = []
        self.scope = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Wait for the body, or let uvicorn begin."""
        self._named = named = dict(self.headers)
        version = self.parser.get_http_version()
        if (
            not self._is_direct
            or self.parser.get_method() != b"POST"
            or len(named) != len(self.headers)
            or not _UNUSUAL.isdisjoint(named)
            or version != "1.1"
            or b"host" not in named
            or (self.cycle is not None and not self.cycle.response_complete)
            or self.flow.write_paused
        ):
            check_host(self.headers, version)
            self._to_uvicorn()
            return
        self._route = self.frame.route_of(self.url)
        if self._route is None:
            self._to_uvicorn()

    def _to_uvicorn(self) -> None:
        """Let uvicorn begin with what there is of a request."""
        url, headers, self._route = self.url, self.headers, None
        super().on_message_begin()
        super().on_url(url)
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            super().on_body(piece)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        if self._route is None:
            super().on_body(body)
        else:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        """Let the events go to be stored; or let uvicorn take the request, and `Frame` say what is wrong with it."""
        route = self._route
        if route is None:
            super().on_message_complete()
            return
        began_s = time.perf_counter()
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        waiting = Waiting(self, route, began_s, keep_alive=self.parser.should_keep_alive())
        former, self.cycle = self.cycle, cast("Any", waiting)
        waiting.events = self.frame.begin(route, self._named, body, waiting.tell)
        if waiting.events:
            self._route = None
            self._pieces.clear()
            if not waiting.response_complete:
                self.tasks.add(cast("Any", waiting))
            return
        self.cycle = former
        self._to_uvicorn()
        super().on_message_complete()

    def answer(self, waiting: Waiting, result: int | Answer) -> None:
        """Send an answer, if anybody is there to read it, and let the next request begin."""
        waiting.response_complete = True
        self.tasks.discard(cast("Any", waiting))
        if self.transport.is_closing():
            return
        head = _head(self.server_state.default_headers)
        if not waiting.keep_alive:
            head += b"connection: close\r\n"
        if type(result) is int:
            body = stored(result, waiting.events)
            self._joined.write_whole(_OK % (head, len(body), body))
        else:
            self._joined.write_whole(_refusal(cast("Answer", result), head))
        if not waiting.keep_alive:
            self.transport.close()
        if self.pipeline:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.idle_s = self.loop.time()

    def on_response_complete(self) -> None:
        """An answer to HEAD is a head."""
        self._joined.flush()
        super().on_response_complete()

    def shutdown(self) -> None:
        """Begin to stop: who has sent a part of a request may send the rest."""
        if self._route is not None:
            self._to_uvicorn()
        super().shutdown()


_OK = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"


def _refusal(answer: Answer, head: bytes) -> bytes:
    named = b"".join(b"%b: %b\r\n" % pair for pair in answer.headers)
    return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (
        STATUS_LINE[answer.status],
        head,
        named,
        len(answer.body),
        answer.body,
    )


def _head(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The headers of every answer, encoded; uvicorn makes a new list of them each second."""
    if _encoded[0] is not headers:
        _encoded[:] = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
    return cast("bytes", _encoded[1])


_encoded: list[Any] = [None, b""]
