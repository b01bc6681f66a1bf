"""Health of the door: alive, ready, metrics, OpenAPI description."""

import asyncio
import time
from contextlib import suppress
from importlib.resources import files

from falcon.asgi import Request, Response
from redis.exceptions import RedisError

from worker.app import Relay
from worker.errors import SenderError
from worker.ingest.admission import is_bearer
from worker.ingest.coalescer import Appender
from worker.ingest.meter import Meter
from worker.ingest.metrics_port import CONTENT_TYPE
from worker.ingest.single_flight import Errand
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render

_PATIENCE_S = 8.0
_FLEET_LOOK_S, _FLEET_PATIENCE_S = 2.0, 1.0


class Health:
    """`GET /healthz`: the process answers."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Always 200."""
        resp.media = {"status": "alive"}

    on_head = on_get


class Ready:
    """`GET /readyz`: events can be stored just now. `missing` are the roles that no process fills."""

    def __init__(self, appender: Appender, parts: Relay) -> None:
        self._appender = appender
        self._looking: asyncio.Task[None] | None = None
        self._absent = Errand(lambda: Ledger(parts).fleet().absent, "fleet")
        self._missing: list[str] = []
        self._looked_s = -_FLEET_LOOK_S

    async def on_get(self, _req: Request, resp: Response) -> None:
        """200, or 503 with the reason; one look at a time, shared by all who ask meanwhile."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._appender.probe())
        await asyncio.shield(self._looking)
        await self._look_at_fleet()
        resp.media = {"status": "ready", "missing": self._missing}

    on_head = on_get

    async def _look_at_fleet(self) -> None:
        """Who is missing; that makes nobody less ready, since what is stored is delivered later."""
        if time.monotonic() - self._looked_s < _FLEET_LOOK_S:
            return
        with suppress(RedisError, OSError):
            async with asyncio.timeout(_FLEET_PATIENCE_S):
                self._missing = await self._absent.run()
        self._looked_s = time.monotonic()


class Metrics:
    """`GET /metrics`: Prometheus."""

    def __init__(self, exposed: "Exposed") -> None:
        self._exposed = exposed
        self._figures = Errand(exposed.read, "metrics")

    async def on_get(self, req: Request, resp: Response) -> None:
        """The figures of all shards, read when asked for; one reading at a time, and on one host alone."""
        header = req.get_header("Authorization")
        if not self._exposed.is_allowed(header.encode("latin-1") if header else None):
            raise SenderError(401, "Unauthorized", "Authorization: Bearer with RELAY_METRICS_TOKEN is needed")
        async with asyncio.timeout(_PATIENCE_S):
            resp.data = await self._figures.run()
        resp.content_type = CONTENT_TYPE


class Exposed:
    """What /metrics serves, and to those that may see it: this process's counts, and what is of all."""

    def __init__(self, parts: Relay, meter: Meter) -> None:
        self._parts = parts
        self._meter = meter
        self._token = parts.settings.metrics_token.get_secret_value().encode()

    def read(self) -> bytes:
        """The exposition."""
        return self._meter.render() + render(Ledger(self._parts).exported())

    def is_allowed(self, authorization: bytes | None) -> bool:
        """Whether the header has the token; without one in the settings everybody may."""
        return not self._token or is_bearer([self._token], authorization)


class Description:
    """`GET /openapi.json`: the door's routes, in OpenAPI 3.1."""

    def __init__(self) -> None:
        self._text = files("worker.ingest").joinpath("openapi.json").read_bytes()

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The file beside this module."""
        resp.data = self._text
        resp.content_type = "application/json"
