"""Rounds of beat: sweep, trim, relieve, with the parts of a process."""

from contextlib import suppress
from functools import cached_property

import redis

from worker.app import Relay
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.store.archive import Archive
from worker.store.archive_state import ArchiveRecord
from worker.store.clock import server_ms
from worker.store.lane import Lane
from worker.upkeep.retire import Retirement
from worker.upkeep.sweep import Backlog, Sweep
from worker.upkeep.trim import relieve, trim

log = EventLog(__name__)


class Rounds:
    """The periodic work of one process; made for each round, since the configuration may have changed."""

    def __init__(self, parts: Relay) -> None:
        chosen = parts.settings
        self._settings = chosen
        self._redis = parts.redis
        self._groups = parts.known_integrations
        self.retirement = Retirement(parts.redis, parts.revisions, parts.live.loaded, chosen.shards)
        self._parts = parts

    @cached_property
    def _sweep(self) -> Sweep:
        chosen, parts = self._settings, self._parts
        claim_ms = int((chosen.request_timeout_s + chosen.lease_s + 5) * 1000)
        return Sweep(
            parts.redis,
            parts.streams,
            parts.holds,
            parts.integrations,
            chosen.shards,
            parts.join,
            chosen.sweep_interval_s,
            claim_ms,
            parts.layout,
        )

    def sweep(self) -> list[tuple[Lane, bool]]:
        """The lanes to wake now, each with whether it is a probe of a held integration."""
        return self._sweep.wakes()

    def backlogs(self) -> list[Backlog]:
        """The state of every lane."""
        return self._sweep.backlogs()

    def trim(self) -> int:
        """Drop what every group is past and the retention no longer asks for; how many events."""
        self.retirement.retire()
        oldest_ms = server_ms(self._redis) - self._settings.retention_s * 1000
        sources = self.retirement.sources()
        archive, is_open = self._archive()
        if not is_open:
            return 0
        trimmed = trim(self._redis, sources, self._groups(), self._settings.shards, oldest_ms, archive)
        self.retirement.drop_empty()
        return self._counted(trimmed)

    def _archive(self) -> tuple[Archive | None, bool]:
        """The archive, and whether to trim is allowed: not where there should be one that cannot be opened."""
        try:
            return self._parts.archive, True
        except OperatorError as error:
            log.warning("archive_failed", trimming="held", reason=error)
            ArchiveRecord(self._redis).failed(str(error))
            return None, False

    def relieve(self) -> int:
        """Shorten the past when Redis's memory presses; how many events were dropped."""
        chosen = self._settings
        sources = self.retirement.sources()
        archive, is_open = self._archive()
        if not is_open:
            return 0
        return self._counted(
            relieve(self._redis, sources, self._groups(), chosen.shards, chosen.max_memory_percent, archive)
        )

    def _counted(self, trimmed: int) -> int:
        if trimmed:
            with suppress(redis.exceptions.OutOfMemoryError):
                self._parts.counters.add({"trimmed": trimmed})
        return trimmed
