"""The HTTP door: authenticate, append, answer."""

import time
from collections.abc import Callable

import falcon.asgi
from falcon.asgi import Request, Response

from config.integrations import Source
from worker.app import Relay
from worker.app.begun import begun
from worker.errors import NotStoredError, SenderError
from worker.ingest.admission import RETRIES_S, check_signature, check_token, unsigned
from worker.ingest.arguments import Incoming
from worker.ingest.asgi import Frame, Headers, Taker
from worker.ingest.bodies import read_many, read_one
from worker.ingest.crowd import CROWD
from worker.ingest.door import Door
from worker.ingest.health import Description, Exposed, Health, Metrics, Ready
from worker.ingest.meter import Meter
from worker.ingest.metrics_port import MetricsPort
from worker.ingest.waker import Waker, send
from worker.process.eventlog import EventLog
from worker.process.memory import settle_in

log = EventLog(__name__)

_SIGNATURE, _TIMESTAMP = b"x-purchasely-request-signature", b"x-purchasely-timestamp"
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
# curl sends the last one with --data unless another one is given
_JSON = frozenset({"application/json", "", "application/x-www-form-urlencoded"})


class Webhook:
    """`POST /webhooks/purchasely/{source}`: one signed event a request."""

    def __init__(self, door: Door) -> None:
        self._door = door
        # the sender is unknown until the signature is checked: no more is kept than one event may have
        self.limit_bytes = min(door.settings.max_body_bytes, door.settings.max_event_bytes)
        # with a shorter window Purchasely's late retries would be refused; a repetition is harmless, by its ULID
        self._tolerance_s = max(door.settings.dedup_window_s, RETRIES_S)

    def admit(self, name: str, headers: Headers) -> Source:
        """The source, for a request that is signed; whether rightly is seen by its body."""
        known = self._door.source(name)
        if not headers.get(_SIGNATURE) or not headers.get(_TIMESTAMP):
            raise unsigned()
        return known

    def read(self, name: str, source: Source, headers: Headers, raw: bytes) -> list[Incoming]:
        """The event. Purchasely retries anything but a 200, so nothing else is answered once it is stored."""
        try:
            check_signature(
                source, headers.get(_SIGNATURE), headers.get(_TIMESTAMP), raw, time.time(), self._tolerance_s
            )
        except SenderError as refusal:
            raise _refused(source, refusal) from None
        return read_one(name, raw, self._door.appender.layout.shards, self.limit_bytes, source.identity)


class Events:
    """`POST /v1/events/{source}`: one event, an array or NDJSON, from an upstream service with a token."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.limit_bytes = door.settings.max_body_bytes

    def admit(self, name: str, headers: Headers) -> Source:
        """The source, for a request with one of its tokens."""
        known = self._door.source(name)
        try:
            check_token(known, headers.get(b"authorization"))
        except SenderError as refusal:
            raise _refused(known, refusal) from None
        _is_lines(headers)
        return known

    def read(self, name: str, source: Source, headers: Headers, raw: bytes) -> list[Incoming]:
        """The events. All of a request is stored, or none of it is accepted and the sender sends it again."""
        shards, limit_bytes = self._door.appender.layout.shards, self._door.settings.max_event_bytes
        return read_many(name, raw, shards, limit_bytes, source.identity, lines=_is_lines(headers))


def _is_lines(headers: Headers) -> bool:
    """Whether a body is NDJSON.

    Raises:
        SenderError: 415.
    """
    media = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
    if media in _LINES:
        return True
    if media not in _JSON and not media.endswith("+json"):
        raise SenderError(415, "Unsupported media type", "send application/json or application/x-ndjson")
    return False


def _refused(source: Source, refusal: SenderError) -> SenderError | NotStoredError:
    """While a secret is missing in this process, the sender may hold it: 503, so that it retries."""
    return NotStoredError("secret_missing") if source.unresolved else refusal


def create() -> Frame:
    """The ASGI application (`uvicorn --factory worker.ingest.app:create`)."""
    app = begun("web", build)
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
    takers: dict[str, Taker] = {"/webhooks/purchasely": Webhook(door), "/v1/events": Events(door)}
    return Frame(takers, door.appender, rest, meter=meter, refused=door.refused)
