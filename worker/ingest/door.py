"""The door's parts: sources, appender and wake-ups, which follow the configuration and the layout in force."""

import asyncio
from typing import Any

import redis.asyncio

from config.integrations import Integrations, Source, default_identity
from config.settings import Settings
from worker.alerts.watchman import Watch, watch
from worker.app import Relay
from worker.errors import NotStoredError, OperatorError, SenderError
from worker.ingest.bodies import read_one
from worker.ingest.coalescer import Appender
from worker.ingest.confirmation import Confirmation
from worker.ingest.memory import Memory
from worker.ingest.metrics_port import MetricsPort
from worker.ingest.single_flight import Errand
from worker.ingest.waker import Waker
from worker.process.eventlog import EventLog
from worker.store.async_cluster import AsyncCluster
from worker.store.connect import open_async
from worker.store.layout import Layout, tell_shards
from worker.store.refusals import REFUSALS
from worker.store.stream import WAKE_MS

log = EventLog(__name__)

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

    def refused(self, name: str, status: int) -> None:
        """Count a refused request; a source that is not configured has no name, since anybody may choose it."""
        REFUSALS.add(name if name in self.sources else "", status)

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
            self._parts.start_pulse()
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


def _confirmation(chosen: Settings) -> Confirmation | None:
    """Replicas that are waited for, within the time of one of the two trips that a request may need."""
    if not chosen.replicas_ack:
        return None
    within_ms = max(1, int(chosen.append_timeout_s * 250))
    return Confirmation(chosen.replicas_ack, within_ms, on_disk=chosen.replicas_ack_disk)


def _integrations_of(integrations: Integrations) -> dict[str, tuple[str, ...]]:
    """Names of the integrations of each source."""
    return {name: tuple(one.name for one in integrations.of_source(name)) for name in integrations.sources}
