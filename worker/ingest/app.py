"""The HTTP door: authenticate, append, answer."""

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import falcon.asgi
import redis.asyncio
from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from config.integrations import Integrations, Source, default_identity
from config.settings import Settings
from config.variables import unknown_variables
from worker.alerts.watchman import Watch, watch
from worker.app import Relay, relay
from worker.errors import NotStoredError, OperatorError, SenderError
from worker.ingest.admission import RETRIES_S, check_signature, check_token, unsigned
from worker.ingest.asgi import Body, Frame, Headers
from worker.ingest.bodies import read_many, read_one
from worker.ingest.coalescer import Appender
from worker.ingest.confirmation import Confirmation
from worker.ingest.crowd import CROWD
from worker.ingest.health import Description, Exposed, Health, Metrics, Ready
from worker.ingest.memory import Memory
from worker.ingest.meter import Meter
from worker.ingest.metrics_port import MetricsPort
from worker.ingest.single_flight import Errand
from worker.ingest.waker import Waker, send
from worker.process.eventlog import EventLog
from worker.process.logs import configure
from worker.process.memory import settle_in
from worker.store.async_cluster import AsyncCluster
from worker.store.connect import open_async
from worker.store.layout import Layout, tell_shards
from worker.store.stream import WAKE_MS

log = EventLog(__name__)

_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
# curl sends the last one with --data unless another one is given
_JSON = frozenset({"application/json", "", "application/x-www-form-urlencoded"})
# Wake-ups not sent by then are left to the sweep.
_DRAIN_S = 2.0


class Door:
    """What both routes need: the sources, the appender and the sizes."""

    def __init__(self, parts: Relay, waker: Waker) -> None:
        self._parts = parts
        loaded = parts.live.loaded
        self.sources = loaded.integrations.sources
        self.settings = parts.settings
        self._waker = waker
        self.metrics: MetricsPort | None = None
        self._alerts: Watch | None = None
        self._join = Errand(parts.join, "join")
        self._layout = Errand(self._take_up_layout, "layout")
        self.redis: redis.asyncio.Redis | AsyncCluster = open_async(parts.address)
        self.appender = Appender(
            self.redis,
            _integrations_of(loaded.integrations),
            self._prepare,
            waker.wake,
            wake_ms=WAKE_MS,
            dedup_window_s=self.settings.dedup_window_s,
            timeout_s=self.settings.append_timeout_s,
            max_memory_percent=self.settings.max_memory_percent,
            shards=self.settings.shards,
            memory=Memory(self.settings.remember_s, self.settings.remember_bytes),
            confirmation=_confirmation(self.settings),
            find_layout=self._layout.run,
            shard_of=self._shard_of,
        )
        self._watching: asyncio.Task[None] | None = None

    def source(self, name: str) -> Source:
        """The source of a route.

        Raises:
            SenderError: 404.
            NotStoredError: nothing is configured yet.
        """
        try:
            return self.sources[name]
        except KeyError:
            if not self.sources:
                raise NotStoredError("no_configuration") from None
            raise SenderError(404, "Unknown source", "no source of this name is configured") from None

    def adopt(self, integrations: Integrations) -> None:
        """Serve another configuration from now on; its groups exist already."""
        self.sources = integrations.sources
        self.appender.adopt(_integrations_of(integrations))

    async def _prepare(self) -> None:
        """Nothing is stored before the groups exist, nor with another number of shards than the workers'."""
        try:
            await self._join.run()
        except OperatorError as error:
            log.critical("cannot_store", message=error)
            raise NotStoredError("setup") from None
        known, found = self.appender.layout, self._parts.layout
        if (found.epoch, found.shards) != (known.epoch, known.shards):
            raise NotStoredError("layout")  # Redis knows better than what was configured

    def _take_up_layout(self) -> Layout:
        """The layout in force; every shard knows it, and new ones have their groups.

        Raises:
            NotStoredError: it is none that this process may store by.
        """
        try:
            self._parts.join()
        except OperatorError as error:
            log.critical("cannot_store", message=error)
            raise NotStoredError("setup") from None
        layout = self._parts.layout
        tell_shards(self._parts.redis, layout)
        return layout

    def _shard_of(self, name: str, raw: bytes) -> int:
        """The shard of an event that was read before."""
        known = self.sources.get(name)
        identity = known.identity if known else default_identity()
        return read_one(name, raw, self.appender.layout.shards, len(raw), identity)[0].shard

    async def process_startup(self, _scope: Any, _event: Any) -> None:
        """Begin to send wake-ups, and to look for new revisions."""
        self._waker.start()
        self._watching = asyncio.create_task(self.appender.watch())
        if self.metrics:
            self.metrics.start()
        loop, live = asyncio.get_running_loop(), self._parts.live
        live.swapped = lambda new: loop.call_soon_threadsafe(self.adopt, new.integrations)
        self.adopt(live.loaded.integrations)  # what was taken up since the door was made
        if self._parts.role == "web":  # else the caller owns these parts and does not run for long
            self._parts.pulse.start()
            self._alerts = watch(self._parts)
            self._alerts.start()

    async def process_shutdown(self, _scope: Any, _event: Any) -> None:
        """Send the wake-ups that are queued and close the connections to Redis; every request has been answered."""
        self._parts.live.swapped = lambda _: None
        if self._watching is not None:
            self._watching.cancel()
        if self._alerts:
            await asyncio.to_thread(self._alerts.stop)
        await asyncio.to_thread(self._parts.end)
        if self.metrics:
            await asyncio.to_thread(self.metrics.stop)
        await asyncio.to_thread(self._waker.stop, _DRAIN_S)
        await self.redis.aclose()


class Webhook:
    """`POST /webhooks/purchasely/{source}`: one signed event a request."""

    def __init__(self, door: Door) -> None:
        self._door = door
        # the sender is unknown until the signature is checked: no more is kept than one event may have
        self._limit_bytes = min(door.settings.max_body_bytes, door.settings.max_event_bytes)
        # with a shorter window Purchasely's late retries would be refused; a repetition is harmless, by its ULID
        self._tolerance_s = max(door.settings.dedup_window_s, RETRIES_S)

    async def __call__(self, name: str, headers: Headers, body: Body) -> bytes:
        """Purchasely retries anything but a 200, so nothing else is answered once the event is stored."""
        known = self._door.source(name)
        signature = headers.get(b"x-purchasely-request-signature")
        timestamp = headers.get(b"x-purchasely-timestamp")
        if not signature or not timestamp:
            raise unsigned()
        raw = body.at_hand(self._limit_bytes)
        if raw is None:
            raw = await body.read(self._limit_bytes)
        try:
            check_signature(known, signature, timestamp, raw, time.time(), self._tolerance_s)
        except SenderError as refusal:
            raise _refused(known, refusal) from None
        event = read_one(name, raw, self._door.appender.layout.shards, self._limit_bytes, known.identity)
        return stored(await self._door.appender.post(event), 1)


class Events:
    """`POST /v1/events/{source}`: one event, an array or NDJSON, from an upstream service with a token."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, name: str, headers: Headers, body: Body) -> bytes:
        """All of a request is stored, or none of it is accepted and the sender sends it again."""
        known = self._door.source(name)
        try:
            check_token(known, headers.get(b"authorization"))
        except SenderError as refusal:
            raise _refused(known, refusal) from None
        media = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        lines = media in _LINES
        if not lines and media not in _JSON and not media.endswith("+json"):
            raise SenderError(415, "Unsupported media type", "send application/json or application/x-ndjson")
        chosen = self._door.settings
        raw = await body.read(chosen.max_body_bytes)
        shards = self._door.appender.layout.shards
        events = read_many(name, raw, shards, chosen.max_event_bytes, known.identity, lines=lines)
        return stored(await self._door.appender.append(events), len(events))


def _refused(source: Source, refusal: SenderError) -> SenderError | NotStoredError:
    """While a secret is missing in this process, the sender may hold it: 503, so that it retries."""
    return NotStoredError("secret_missing") if source.unresolved else refusal


def _confirmation(chosen: Settings) -> Confirmation | None:
    """Replicas that are waited for, within the time of one of the two trips that a request may need."""
    if not chosen.replicas_ack:
        return None
    within_ms = max(1, int(chosen.append_timeout_s * 250))
    return Confirmation(chosen.replicas_ack, within_ms, on_disk=chosen.replicas_ack_disk)


def _integrations_of(integrations: Integrations) -> dict[str, tuple[str, ...]]:
    """Names of the integrations of each source."""
    return {name: tuple(one.name for one in integrations.of_source(name)) for name in integrations.sources}


def stored(new: int, events: int) -> bytes:
    """The body of a 200: all of the request is stored."""
    return b'{"accepted": %d, "duplicates": %d}' % (new, events - new)


def create() -> Frame:
    """The ASGI application (`uvicorn --factory worker.ingest.app:create`)."""
    configure("web")
    try:
        parts = relay()
        parts.role = "web"
        configure("web", parts.settings.log_level, parts.settings.log_format)
        for warning in unknown_variables(os.environ):
            log.warning("unknown_variable", message=warning)
        app = build(parts)
        parts.begin()
    except OperatorError as error:
        for line in error.lines:
            log.critical("cannot_start", message=line)
        raise SystemExit(2) from None
    except (RedisError, OSError) as fault:
        # it answers 503 until Redis is there
        log.warning("redis_away", fault=type(fault).__name__)
    log.info("web_starts", most_connections=CROWD.most())
    settle_in()
    return app


def build(parts: Relay, wake: Callable[[str, int], object] = send) -> Frame:
    """The application over given parts; `wake` sends one wake-up."""
    door = Door(parts, Waker(wake))
    rest: falcon.asgi.App[Request, Response] = falcon.asgi.App(middleware=[door])
    rest.req_options.strip_url_path_trailing_slash = True
    rest.add_route("/healthz", Health())
    rest.add_route("/readyz", Ready(door.appender, parts))
    meter = Meter()
    exposed = Exposed(parts, meter)
    if parts.settings.metrics_port:
        door.metrics = MetricsPort(parts.settings.host, parts.settings.metrics_port, exposed.read, exposed.is_allowed)
    else:
        rest.add_route("/metrics", Metrics(exposed))
    rest.add_route("/openapi.json", Description())
    return Frame({"/webhooks/purchasely": Webhook(door), "/v1/events": Events(door)}, rest, meter=meter)
