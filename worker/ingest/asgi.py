"""The door's ASGI application: what takes events is called directly, everything else is Falcon's.

Falcon's request and response cost a third of the time that a webhook takes in all.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import falcon.asgi
from falcon.asgi import Request, Response

from config.integrations import Source
from worker.errors import SenderError
from worker.ingest.arguments import Incoming
from worker.ingest.meter import Meter
from worker.ingest.posts import Tell
from worker.ingest.problems import ROUTES, Answer, Answers, install, problem

# Any other method is a 405. Falcon would serve OPTIONS itself, and answer an unknown method with 400.
_METHODS = frozenset({"GET", "HEAD", "POST"})

Headers = dict[bytes, bytes]
_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[Any], Awaitable[None]]


class GoneError(Exception):
    """The sender hung up before its request was complete."""


class Body:
    """A request's body, still being received."""

    def __init__(self, headers: Headers, receive: _Receive) -> None:
        self._headers = headers
        self._receive = receive

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


class Taker(Protocol):
    """What takes the events of one kind of requests."""

    limit_bytes: int
    """A body over it is refused unread."""

    def admit(self, name: str, headers: Headers) -> Source:
        """The source that a request is for, by its head; it may still be refused by its body."""

    def read(self, name: str, source: Source, headers: Headers, raw: bytes) -> list[Incoming]:
        """The events of a request."""


class Store(Protocol):
    """What stores events: see `worker.ingest.coalescer`."""

    async def append(self, events: Sequence[Incoming]) -> int:
        """Store them; how many were new."""

    def post(self, events: Sequence[Incoming], tell: Tell) -> object:
        """Let them be stored, and `tell` hear of it."""


# A taker, the path before the source's name, and that name.
Route = tuple[Taker, str, str]


class Frame:
    """An ASGI application. `takers`: by the path before the source's name; 200 is answered when `store` has the events.

    `refused` is called with the source and the status of each request that is refused for what it is.
    """

    def __init__(
        self,
        takers: Mapping[str, Taker],
        store: Store,
        rest: "falcon.asgi.App[Request, Response]",
        answers: Answers | None = None,
        meter: Meter | None = None,
        refused: Callable[[str, int], object] = lambda _source, _status: None,
    ) -> None:
        self._takers = takers
        self._store = store
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
                answer = await self._take(taker, source, _by_name(scope["headers"]), receive)
        except GoneError:
            return
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - the outermost layer
            answer = self._answer(fault, scope["path"], source)
        self._meter.add(before, answer.status, time.perf_counter() - began_s)
        length = (b"content-length", b"%d" % len(answer.body))
        await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})
        await send({"type": "http.response.body", "body": answer.body})

    async def _take(self, taker: Taker, name: str, headers: Headers, receive: _Receive) -> Answer:
        source = taker.admit(name, headers)
        raw = await Body(headers, receive).read(taker.limit_bytes)
        events = taker.read(name, source, headers, raw)
        return Answer(200, _JSON, stored(await self._store.append(events), len(events)))

    def route_of(self, url: bytes) -> Route | None:
        """Where a request for a URL that is written as it should be takes its events; else None."""
        before, _, name = url.decode("latin-1").rpartition("/")
        taker = self._takers.get(before)
        return (taker, before, name) if taker is not None else None

    def begin(self, route: Route, headers: Headers, body: bytes, tell: Tell) -> int:
        """Let the events of a whole request be stored, and `tell` hear of it; how many there are.

        None: the request is not as it should be, or has no events. Nothing was done, and by ASGI it is said why.
        """
        taker, _, name = route
        if len(body) > taker.limit_bytes:
            return 0
        try:
            events = taker.read(name, taker.admit(name, headers), headers, body)
        except Exception:  # noqa: BLE001 - it comes again, by ASGI
            return 0
        if events:
            self._store.post(events, tell)
        return len(events)

    def refusal(self, route: Route, fault: BaseException) -> Answer:
        """The answer to a request whose events could not be stored."""
        _, before, name = route
        return self._answer(fault, f"{before}/{name}", name)

    def note(self, route: Route, status: int, began_s: float) -> None:
        """Count an answer."""
        self._meter.add(route[1], status, time.perf_counter() - began_s)

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


def stored(new: int, events: int) -> bytes:
    """The body of a 200: all of the request is stored."""
    return b'{"accepted": %d, "duplicates": %d}' % (new, events - new)


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
