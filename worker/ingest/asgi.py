"""The door's ASGI application: what takes events is called directly, everything else is Falcon's.

Falcon's request and response cost a third of the time that a webhook takes in all.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import falcon.asgi
from falcon.asgi import Request, Response

from worker.errors import SenderError
from worker.ingest.meter import Meter
from worker.ingest.problems import ROUTES, Answer, Answers, install, problem

# Any other method is a 405. Falcon would serve OPTIONS itself, and answer an unknown method with 400.
_METHODS = frozenset({"GET", "HEAD", "POST"})

Headers = dict[bytes, bytes]
_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[Any], Awaitable[None]]


# Where in a scope's extensions a server that offers it is found.
DIRECT = "relay.direct"


class Direct(Protocol):
    """A server that hands over a body, and takes an answer, in one call each: worker.ingest.protocol is one.

    ASGI's messages for the same cost a sixth of a webhook's time. It is given the scope each time, since a server that
    was part of the scope with its request would be a circle of references, and keep each request in memory until the
    garbage collector looks.
    """

    def whole_body(self, scope: Any) -> bytes | None:
        """The request's body, if it is complete and unread; else ask ASGI."""

    def answer_whole(self, scope: Any, head: bytes, body: bytes) -> bool:
        """Send a 200 with these header lines and this body; False when nothing was sent, and ASGI has to."""


class GoneError(Exception):
    """The sender hung up before its request was complete."""


class Body:
    """A request's body, complete or still being received."""

    def __init__(self, headers: Headers, receive: _Receive, whole: bytes | None = None) -> None:
        self._headers = headers
        self._receive = receive
        self._whole = whole

    def at_hand(self, limit_bytes: int) -> bytes | None:
        """The body, when it is complete and acceptable; else None: `read` waits for it, or says what is wrong."""
        whole = self._whole
        if whole is None or len(whole) > limit_bytes or b"content-encoding" in self._headers:
            return None
        return whole

    async def read(self, limit_bytes: int) -> bytes:
        """The body as it was sent, read no further than the limit.

        Raises:
            SenderError: 413, 415.
            GoneError: the sender broke off.
        """
        coding = self._headers.get(b"content-encoding")
        if coding is not None and coding.strip().lower() != b"identity":
            raise SenderError(415, "Unsupported content encoding", "send the body as it is, not compressed")
        # uvicorn has seen that it is a number
        if int(self._headers.get(b"content-length", 0)) > limit_bytes:
            raise _too_large(limit_bytes)
        if self._whole is not None:
            if len(self._whole) > limit_bytes:
                raise _too_large(limit_bytes)
            return self._whole
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            piece: bytes = message["body"]
            size += len(piece)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            if not message["more_body"]:
                return b"".join([*pieces, piece]) if pieces else piece
            pieces.append(piece)


Taker = Callable[[str, Headers, Body], Awaitable[bytes]]


class Frame:
    """An ASGI application. `takers`: by the path before the source's name; each answers 200 with what it returns.

    `refused` is called with the source and the status of each request that is refused for what it is.
    """

    def __init__(
        self,
        takers: dict[str, Taker],
        rest: "falcon.asgi.App[Request, Response]",
        answers: Answers | None = None,
        meter: Meter | None = None,
        refused: Callable[[str, int], object] = lambda _source, _status: None,
    ) -> None:
        self._takers = takers
        self._rest = rest
        self._answers = answers or Answers()
        self._meter = meter or Meter()
        self._refused = refused
        install(rest, self._answers)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        began_s = time.perf_counter()
        path = scope["path"]
        before, _, source = path.rpartition("/")
        taker = self._takers.get(before)
        if taker is None and not source:
            # a trailing slash makes no difference
            before, _, source = path[:-1].rpartition("/")
            taker = self._takers.get(before)
        try:
            if _PERCENT in scope.get("raw_path", b""):
                # no path needs it, and a proxy that guards one may compare it undecoded
                answer = problem(404, "Not Found", f"{ROUTES}; none of them is written with %")
            elif taker is None or not source:
                if scope.get("http_version", "1.1") not in _VERSIONS:
                    answer = problem(400, "Bad request", "HTTP/1.1 is needed")
                else:
                    await self._serve_rest(scope, receive, send)
                    return
            elif scope["method"] != "POST":
                answer = problem(405, "Method Not Allowed", allow="POST")
            else:
                headers = _by_name(scope["headers"])
                direct: Direct | None = scope.get("extensions", _NONE).get(DIRECT)
                whole = direct.whole_body(scope) if direct is not None else None
                body = await taker(source, headers, Body(headers, receive, whole))
                if direct is not None and direct.answer_whole(scope, _JSON_LINE, body):
                    self._meter.add(before, 200, time.perf_counter() - began_s)
                    return
                answer = Answer(200, _JSON, body)
        except GoneError:
            return
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - the outermost layer
            answer = self._answer(fault, scope["path"], source)
        self._meter.add(before, answer.status, time.perf_counter() - began_s)
        length = (b"content-length", b"%d" % len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})
        await send({"type": "http.response.body", "body": answer.body})

    def _answer(self, fault: BaseException, path: str, source: str) -> Answer:
        if isinstance(fault, SenderError):
            self._refused(source, fault.status)
        return self._answers.to(fault, path)

    async def _serve_rest(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        scope["query_string"] = b""  # no route has a query; one that is not UTF-8 would be an error
        if scope["method"] not in _METHODS:
            scope["method"] = "TRACE"
        await self._rest(scope, receive, send)


_PERCENT = ord("%")
# HTTP/0.9, a line without a version, has no answer in this form, and Falcon takes it for a fault.
_VERSIONS = frozenset({"1.0", "1.1", "2", "3"})
_JSON = ((b"content-type", b"application/json"),)
_JSON_LINE = b"content-type: application/json\r\n"
_NONE: dict[str, Any] = {}


def _by_name(pairs: list[tuple[bytes, bytes]]) -> Headers:
    headers = dict(pairs)
    if len(headers) == len(pairs):
        return headers
    headers.clear()
    for name, value in pairs:
        # a header that is given twice is ambiguous: neither is used
        headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


def _too_large(limit_bytes: int) -> SenderError:
    return SenderError(413, "Too large", f"the body is over {limit_bytes} bytes; nothing of it was stored")
