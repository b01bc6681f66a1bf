"""The HTTP door: authenticate, append, answer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import falcon.asgi
import redis.asyncio
from falcon.asgi import Request, Response
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from config.integrations import Source
from worker.admission import check_signature, check_token, read_many, read_one, unsigned
from worker.answers import install, place, send_problem
from worker.app import WAKE_MS, Relay, relay
from worker.append import Appender, Incoming
from worker.errand import Errand
from worker.errors import NotStoredError, OperatorError, SenderError
from worker.logs import configure
from worker.memory import settle_in
from worker.vitals import Description, Health, Metrics, Ready
from worker.waking import Waker, send

log = logging.getLogger(__name__)

_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
# curl sends the last one with --data unless it is told otherwise
_JSON = frozenset({"application/json", "", "application/x-www-form-urlencoded"})
# Any other is answered like TRACE: 405. Falcon would serve OPTIONS by itself, and take what it does not know for a 400.
_METHODS = frozenset({"GET", "HEAD", "POST"})
# Wake-ups not sent by then are left to the sweep.
_DRAIN_S = 3.0

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[Any], Awaitable[None]]


class Door:
    """What both routes need: the sources, the appender and the sizes."""

    def __init__(self, parts: Relay, waker: Waker) -> None:
        self.sources = parts.integrations.sources
        self.settings = parts.settings
        self._waker = waker
        self._join = Errand(parts.join, "join")
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            parts.redis_url,
            protocol=2,
            socket_connect_timeout=3,
            socket_keepalive=True,
            health_check_interval=15,
            # once, at once: a connection that a restart of the server left behind; appends may be repeated
            retry=Retry(NoBackoff(), 1),
        )
        self.appender = Appender(
            self.redis,
            {name: tuple(i.name for i in parts.integrations.of_source(name)) for name in self.sources},
            self._prepare,
            waker.wake,
            wake_ms=WAKE_MS,
            dedup_window_s=self.settings.dedup_window_s,
            timeout_s=self.settings.append_timeout_s,
            max_memory_percent=self.settings.max_memory_percent,
        )

    def source(self, name: str) -> Source:
        """The source of a route.

        Raises:
            SenderError: 404.
        """
        try:
            return self.sources[name]
        except KeyError:
            raise SenderError(404, "Unknown source", "no source of this name is configured") from None

    async def body(self, req: Request, limit_bytes: int) -> bytes:
        """The request's body as it was sent, read no further than the limit.

        Raises:
            SenderError: 413, 415.
        """
        if req.get_header("Content-Encoding", default="identity").strip().lower() != "identity":
            raise SenderError(415, "Unsupported content encoding", "send the body as it is, not compressed")
        whole: bytes | None = req.scope.get("relay.body")
        if whole is not None:
            if len(whole) > limit_bytes:
                raise _too_large(limit_bytes)
            return whole
        length = req.content_length
        if length is None:
            parts, size = [], 0
            async for part in req.stream:
                size += len(part)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                parts.append(part)
            return b"".join(parts)
        if length > limit_bytes:
            raise _too_large(limit_bytes)
        return await req.stream.readall()

    async def store(self, events: list[Incoming], resp: Response) -> None:
        """Append and answer: 200 only once Redis has all of it."""
        new = await self.appender.append(events)
        resp.data = b'{"accepted": %d, "duplicates": %d}' % (new, len(events) - new)
        resp.content_type = "application/json"

    async def _prepare(self) -> None:
        """Nothing is stored before the groups exist, nor with another number of shards than the workers'."""
        try:
            await self._join.run()
        except OperatorError as error:
            log.critical("cannot_store %s", error)
            raise NotStoredError("setup") from None

    async def process_startup(self, _scope: Any, _event: Any) -> None:
        """Begin to send wake-ups."""
        self._waker.start()

    async def process_shutdown(self, _scope: Any, _event: Any) -> None:
        """Send the wake-ups of what was accepted, and let Redis go; every request has its answer by now."""
        await asyncio.to_thread(self._waker.stop, _DRAIN_S)
        await self.redis.aclose()


class Webhook:
    """`POST /webhooks/purchasely/{source}`: one signed event a request."""

    def __init__(self, door: Door) -> None:
        self._door = door
        # before the signature is checked nobody is known: no more is kept of a request than one event may have
        self._limit_bytes = min(door.settings.max_body_bytes, door.settings.max_event_bytes)

    async def on_post(self, req: Request, resp: Response, source: str) -> None:
        """Purchasely retries anything but a 200, so nothing else is answered once the event is stored."""
        known = self._door.source(source)
        signature = req.get_header("X-PURCHASELY-REQUEST-SIGNATURE")
        timestamp = req.get_header("X-PURCHASELY-TIMESTAMP")
        if not signature or not timestamp:
            raise unsigned()
        body = await self._door.body(req, self._limit_bytes)
        check_signature(known, signature, timestamp, body, time.time())
        await self._door.store(read_one(source, body, self._door.settings.shards, self._limit_bytes), resp)


class Events:
    """`POST /v1/events/{source}`: one event, an array or NDJSON, from an upstream service with a token."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def on_post(self, req: Request, resp: Response, source: str) -> None:
        """All of a request is stored, or none of it is accepted and the sender sends it again."""
        known = self._door.source(source)
        check_token(known, req.get_header("Authorization"))
        media = (req.content_type or "").partition(";")[0].strip().lower()
        lines = media in _LINES
        if not lines and media not in _JSON and not media.endswith("+json"):
            raise SenderError(415, "Unsupported media type", "send application/json or application/x-ndjson")
        chosen = self._door.settings
        body = await self._door.body(req, chosen.max_body_bytes)
        events = read_many(source, body, chosen.shards, chosen.max_event_bytes, lines=lines)
        await self._door.store(events, resp)


class _GoneError(Exception):
    """The sender hung up; what came of its request is not a request."""


class Frame:
    """The outermost layer: whatever happens inside, the sender gets an answer that it may act on."""

    def __init__(self, app: "falcon.asgi.App[Request, Response]", door: Door) -> None:
        self.app = app
        self.door = door

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        first = True

        async def receive_or_gone() -> _Message:
            nonlocal first
            message = await receive()
            if message["type"] == "http.disconnect":
                # Falcon would take it for the end of the body
                raise _GoneError
            if first and not message["more_body"]:
                scope["relay.body"] = message["body"]
            first = False
            return message

        scope["query_string"] = b""  # no route has a query; one that is not UTF-8 would be an error
        if scope["method"] not in _METHODS:
            scope["method"] = "TRACE"
        try:
            await self.app(scope, receive_or_gone, send)
        except _GoneError:
            return
        except (Exception, asyncio.CancelledError) as fault:  # noqa: BLE001 - the outermost layer
            # cancelled: uvicorn's grace time at a stop is over
            log.error("unexpected fault=%s at=%s", type(fault).__name__, place(fault))  # noqa: TRY400 - see place
            await send_problem(send, 503, "Unavailable", "the relay failed to serve this request; send again later")


def create() -> Frame:
    """The ASGI application (`uvicorn --factory worker.ingest:create`)."""
    try:
        parts = relay()
        configure(parts.settings.log_level)
        app = build(parts)
        parts.join()
    except OperatorError as error:
        log.critical("cannot_start %s", error)
        raise SystemExit(2) from None
    except (RedisError, OSError) as fault:
        # it answers 503 until Redis is there
        log.warning("redis_away fault=%s", type(fault).__name__)
    settle_in()
    return app


def build(parts: Relay, wake: Callable[[str, int], object] = send) -> Frame:
    """The application over given parts; `wake` sends one wake-up."""
    door = Door(parts, Waker(wake))
    app: falcon.asgi.App[Request, Response] = falcon.asgi.App(middleware=[door])
    app.req_options.auto_parse_form_urlencoded = False
    app.add_route("/webhooks/purchasely/{source}", Webhook(door))
    app.add_route("/v1/events/{source}", Events(door))
    app.add_route("/healthz", Health())
    app.add_route("/readyz", Ready(door.appender))
    app.add_route("/metrics", Metrics(parts))
    app.add_route("/openapi.json", Description())
    install(app)
    app.add_error_handler(_GoneError, _pass_on)
    return Frame(app, door)


async def _pass_on(_req: Request, _resp: Response, gone: Exception, _params: Any) -> NoReturn:
    raise gone


def _too_large(limit_bytes: int) -> SenderError:
    return SenderError(413, "Too large", f"the body is over {limit_bytes} bytes; nothing of it was stored")
