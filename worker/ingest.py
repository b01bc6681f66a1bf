"""The HTTP door: authenticate, append, answer."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import falcon
import falcon.asgi
import orjson
import redis.asyncio
from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from config.integrations import Source
from worker.admission import check_signature, check_token, read_many, read_one
from worker.app import WAKE_MS, Relay, relay
from worker.append import Appender, Incoming, refusal
from worker.errors import NotStoredError, SenderError
from worker.logs import configure
from worker.metrics import render

log = logging.getLogger(__name__)

_RETRY_AFTER_S = 5
_JSON_TYPES = frozenset({"application/json", "", "application/x-www-form-urlencoded"})


class Door:
    """What both routes need: the sources, the appender and the sizes."""

    def __init__(self, parts: Relay) -> None:
        self.parts = parts
        self.sources = parts.integrations.sources
        self.settings = parts.settings
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            parts.redis_url,
            protocol=2,
            socket_connect_timeout=3,
            socket_keepalive=True,
            health_check_interval=15,
        )
        # one thread: wake-ups are few (only an idle lane needs one) and must not hold up an answer
        self._waker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wake")
        names = {name: tuple(i.name for i in parts.integrations.of_source(name)) for name in self.sources}
        self.appender = Appender(
            self.redis,
            names,
            self._wake,
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

    async def body(self, req: Request) -> bytes:
        """The request's body, read no further than the limit.

        Raises:
            SenderError: 413.
        """
        limit = self.settings.max_body_bytes
        if (req.content_length or 0) > limit:
            raise _too_large(limit)
        if req.content_length is not None:
            return await req.stream.read()
        parts, size = [], 0
        async for part in req.stream:
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
        return b"".join(parts)

    async def store(self, events: list[Incoming], resp: Response) -> None:
        """Append and answer: 200 only once Redis has all of it."""
        new = await self.appender.append(events)
        resp.data = b'{"accepted": %d, "duplicates": %d}' % (new, len(events) - new)
        resp.content_type = "application/json"

    def _wake(self, integration: str, shard: int) -> None:
        from worker.tasks import wake  # noqa: PLC0415 - kombu is only needed once there is work

        self._waker.submit(wake, integration, shard)


class Webhook:
    """`POST /webhooks/purchasely/{source}`: one signed event a request."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def on_post(self, req: Request, resp: Response, source: str) -> None:
        """Purchasely retries anything but a 200, so nothing else is answered once the event is stored."""
        known = self._door.source(source)
        body = await self._door.body(req)
        headers = req.headers
        signature = headers.get("x-purchasely-request-signature")
        check_signature(known, signature, headers.get("x-purchasely-timestamp"), body, time.time())
        chosen = self._door.settings
        await self._door.store(read_one(source, body, chosen.shards, chosen.max_event_bytes), resp)


class Events:
    """`POST /v1/events/{source}`: one event, an array or NDJSON, from an upstream service with a token."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def on_post(self, req: Request, resp: Response, source: str) -> None:
        """All of a request is stored, or none of it is accepted and the sender sends it again."""
        known = self._door.source(source)
        check_token(known, req.get_header("Authorization"))
        media = (req.content_type or "").partition(";")[0].strip().lower()
        lines = media in {"application/x-ndjson", "application/ndjson", "application/jsonl"}
        if not lines and media not in _JSON_TYPES and not media.endswith("+json"):
            raise SenderError(415, "Unsupported media type", "send application/json or application/x-ndjson")
        body = await self._door.body(req)
        chosen = self._door.settings
        events = read_many(source, body, chosen.shards, chosen.max_event_bytes, lines=lines)
        await self._door.store(events, resp)


class Health:
    """`GET /healthz`: the process answers."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Always 200."""
        resp.media = {"status": "alive"}


class Ready:
    """`GET /readyz`: events can be stored just now."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def on_get(self, _req: Request, resp: Response) -> None:
        """200, or 503 with the reason."""
        try:
            async with asyncio.timeout(3):
                info: dict[str, Any] = await self._door.redis.info("persistence")
        except (RedisError, OSError, TimeoutError) as fault:
            raise NotStoredError(refusal(fault)) from None
        if info.get("loading"):
            raise NotStoredError("loading")
        if info.get("aof_enabled") and info.get("aof_last_write_status", "ok") != "ok":
            raise NotStoredError("disk")
        resp.media = {"status": "ready"}


class Metrics:
    """`GET /metrics`: Prometheus."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The figures of all shards, read when asked for."""
        resp.data = await asyncio.get_running_loop().run_in_executor(None, render, self._door.parts)
        resp.content_type = "text/plain; version=0.0.4; charset=utf-8"


def create() -> falcon.asgi.App[Request, Response]:
    """The ASGI application (`uvicorn --factory worker.ingest:create`)."""
    parts = relay()
    configure(parts.settings.log_level)
    parts.join()
    return build(parts)


def build(parts: Relay) -> falcon.asgi.App[Request, Response]:
    """The application over given parts."""
    door = Door(parts)
    app: falcon.asgi.App[Request, Response] = falcon.asgi.App()
    app.req_options.auto_parse_form_urlencoded = False
    app.add_route("/webhooks/purchasely/{source}", Webhook(door))
    app.add_route("/v1/events/{source}", Events(door))
    app.add_route("/healthz", Health())
    app.add_route("/readyz", Ready(door))
    app.add_route("/metrics", Metrics(door))
    app.add_error_handler(SenderError, _refuse)
    app.add_error_handler(NotStoredError, _unavailable)
    app.add_error_handler(RedisError, _redis_away)
    app.add_error_handler(OSError, _redis_away)
    app.add_error_handler(falcon.HTTPError, _http_error)
    return app


async def _refuse(_req: Request, resp: Response, error: SenderError, _params: Any) -> None:
    _problem(resp, error.status, error.title, error.detail)
    if error.status == 401:
        resp.set_header("WWW-Authenticate", "Bearer")


async def _unavailable(_req: Request, resp: Response, error: NotStoredError, _params: Any) -> None:
    log.warning("not_stored reason=%s", error.reason)
    resp.set_header("Retry-After", str(_RETRY_AFTER_S))
    _problem(
        resp,
        503,
        "Not stored",
        f"Redis cannot store events just now ({error.reason}); send again later",
    )


async def _redis_away(req: Request, resp: Response, fault: Exception, params: Any) -> None:
    await _unavailable(req, resp, NotStoredError(refusal(fault)), params)


async def _http_error(_req: Request, resp: Response, error: falcon.HTTPError, _params: Any) -> None:
    """Falcon's own refusals (404, 405, a broken request line) in the same form."""
    headers: Any = error.headers or {}
    for name, value in dict(headers).items():
        resp.set_header(name, value)
    _problem(resp, int(str(error.status)[:3]), error.title or "Refused", error.description or "")


def _problem(resp: Response, status: int, title: str, detail: str) -> None:
    """RFC 9457."""
    resp.status = status
    resp.content_type = "application/problem+json"
    body = {"type": "about:blank", "title": title, "status": status}
    resp.data = orjson.dumps(body | {"detail": detail} if detail else body)


def _too_large(limit_bytes: int) -> SenderError:
    return SenderError(413, "Too large", f"the body is over {limit_bytes} bytes; nothing of it was stored")
