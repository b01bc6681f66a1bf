"""The one place where parts are made and joined."""

import logging
import os
import time
from functools import cached_property, partial
from pathlib import Path

import redis
from pydantic import ValidationError
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.integrations import ConfigError, Integrations, load
from config.settings import Settings, settings
from worker.batching import Fill
from worker.customerio import TrackApi
from worker.deadletters import DeadLetters
from worker.delivery import Bounds, Delivery
from worker.errors import OperatorError
from worker.holds import Holds
from worker.keys import SHARDS
from worker.mapping import Mapper
from worker.sending import Sender
from worker.stop import Stop
from worker.stream import Lane, Streams
from worker.suppression import Suppressed

# A wake mark outlives the sweep many times over: it stops needless messages, the sweep looks past it.
WAKE_MS = 60_000


class Relay:
    """The parts of one process, each made when first asked for; to be made after a fork, never shared across one."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen

    @cached_property
    def integrations(self) -> Integrations:
        """The integrations file as it was when this process first looked."""
        try:
            return load(self.settings.integrations, os.environ)
        except ConfigError as error:
            raise OperatorError(str(error)) from None

    @cached_property
    def redis_url(self) -> str:
        """The server that holds the events."""
        return find_redis_url(self.settings)

    @cached_property
    def broker_url(self) -> str:
        """The server that carries Celery's wake-ups: by default the next database of the same one."""
        return self.settings.broker_url or next_database(self.redis_url)

    @cached_property
    def redis(self) -> redis.Redis:
        """A client that rides over a restart of the server: every script may be repeated."""
        return redis.Redis.from_url(
            self.redis_url,
            socket_timeout=10,
            socket_connect_timeout=5,
            socket_keepalive=True,
            health_check_interval=30,
            protocol=2,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
        )

    @cached_property
    def streams(self) -> Streams:
        """The event streams."""
        chosen = self.settings
        return Streams(self.redis, int(chosen.lease_s * 1000), chosen.person_ttl_s, WAKE_MS)

    @cached_property
    def holds(self) -> Holds:
        """The holds."""
        chosen = self.settings
        return Holds(
            self.redis,
            chosen.shards,
            int(chosen.hold_first_s * 1000),
            int(chosen.hold_longest_s * 1000),
        )

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """The dead letters."""
        return DeadLetters(self.redis, self.settings.shards)

    @cached_property
    def suppressed(self) -> Suppressed:
        """Of whom nothing is sent."""
        return Suppressed(self.redis)

    @cached_property
    def bounds(self) -> Bounds:
        """How much and how long one task may."""
        chosen = self.settings
        one_request_s = chosen.request_timeout_s + chosen.retry_max_s
        patience_s = chosen.request_attempts * one_request_s + 30
        return Bounds(chosen.batch_events, chosen.probe_events, chosen.budget_s, chosen.lease_s, patience_s)

    def lanes(self) -> list[Lane]:
        """Every integration on every shard of its source."""
        return [
            Lane(integration.source, integration.name, shard)
            for integration in self.integrations.integrations.values()
            for shard in range(self.settings.shards)
        ]

    def join(self) -> None:
        """Make what must exist before events may come: every integration's group on every shard.

        Raises:
            OperatorError: the number of shards is not the one the stored events were spread over.
        """
        known = self.redis.set(SHARDS, self.settings.shards, nx=True, get=True)
        if known is not None and int(known) != self.settings.shards:
            raise OperatorError(
                f"RELAY_SHARDS is {self.settings.shards}, but this Redis holds events spread over {int(known)} shards: "
                f"set RELAY_SHARDS={int(known)}, or use an empty Redis"
            )
        for lane in self.lanes():
            self.streams.join(lane, self.integrations.integrations[lane.integration].start)

    @cached_property
    def _made(self) -> dict[str, tuple[Mapper, Sender, Fill]]:
        return {}

    def delivery(self, lane: Lane, stop: Stop) -> Delivery:
        """A delivery for one lease; mapper, HTTP session and fill are kept for the next one."""
        made = self._made.get(lane.integration)
        if made is None:
            integration = self.integrations.integrations[lane.integration]
            api = TrackApi(integration, self.settings.request_timeout_s)
            sender = Sender(api, self.settings.request_attempts, self.settings.retry_max_s, stop.sleep)
            made = self._made[lane.integration] = (
                Mapper(integration),
                sender,
                Fill(self.settings.batch_events),
            )
        mapper, sender, fill = made
        mapper.suppressed = self.suppressed.people()
        hold = partial(self._hold, lane.integration)
        resume = partial(self._resume, lane.integration)
        return Delivery(lane, mapper, self.streams, sender, hold, resume, self.bounds, fill, stop.asked)

    def _hold(self, integration: str, kind: str, *, status: int, words: str, probe: bool) -> None:
        now_ms = time.time_ns() // 1_000_000
        self.holds.hold(integration, kind, now_ms, status=status, words=words, probe=probe)  # type: ignore[arg-type]
        log.warning(
            "integration_held integration=%s kind=%s status=%d probe=%s",
            integration,
            kind,
            status,
            probe,
        )

    def _resume(self, integration: str) -> None:
        if self.holds.resume(integration):
            log.info("integration_resumed integration=%s", integration)


log = logging.getLogger(__name__)
_relays: dict[int, Relay] = {}


def relay() -> Relay:
    """The parts of this process (a forked child gets its own)."""
    pid = os.getpid()
    if pid not in _relays:
        _relays.clear()
        _relays[pid] = Relay(read_settings())
    return _relays[pid]


def read_settings() -> Settings:
    """The settings, or one line that says which variable is wrong.

    Raises:
        OperatorError: a variable has an impossible value.
    """
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        where = "_".join(str(part) for part in first["loc"]).upper()
        name = f"RELAY_{where}: " if where else ""
        raise OperatorError(f"{name}{first['msg']}") from None


def find_redis_url(chosen: Settings) -> str:
    """RELAY_REDIS_URL, else the server that `relay up` left the address of in the data folder.

    Raises:
        OperatorError: neither is there.
    """
    if chosen.redis_url:
        return chosen.redis_url
    address = address_file(chosen.data_dir)
    if address.is_file():
        return address.read_text("utf-8").strip()
    raise OperatorError(
        f"no Redis: set RELAY_REDIS_URL, or start `relay up`, which writes {address} (folder: RELAY_DATA_DIR)"
    )


def address_file(data_dir: Path) -> Path:
    """Where `relay up` writes the address of its embedded server."""
    return data_dir / "redis.url"


def next_database(url: str) -> str:
    """The same server, one database further: Celery's messages may be flushed without touching an event."""
    parsed = redis.connection.parse_url(url)
    base, _, query = url.partition("?")
    path = f"/{int(parsed.get('db', 0)) + 1}"
    scheme, rest = base.split("://", 1)
    if scheme == "unix":
        return f"redis+socket://{rest}?virtual_host={path[1:]}"
    return f"{scheme}://{rest.split('/', 1)[0]}{path}" + (f"?{query}" if query else "")
