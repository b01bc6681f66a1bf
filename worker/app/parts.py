"""Parts of a process: what it reads and writes with, each made when first asked for."""

import os
from functools import cached_property, partial
from typing import TYPE_CHECKING

import redis

from config.integrations import Integration
from config.secrets import Secrets
from config.settings import Settings
from worker.dead.groups import Groups
from worker.dead.letters import DeadLetters
from worker.replay.claims import Claims
from worker.replay.jobs import Jobs
from worker.revisions.keyring import secret_keys, unseal
from worker.revisions.ondisk import OnDisk
from worker.revisions.store import Revisions
from worker.store import connect
from worker.store.address import Address
from worker.store.broker import Broker, find_broker
from worker.store.counters import Counters
from worker.store.holders import Holders
from worker.store.holds import Holds
from worker.store.processes import Processes
from worker.store.stream import WAKE_MS, Streams
from worker.store.suppression import Suppressed

if TYPE_CHECKING:
    from worker.dead.changes import DeadChanges
    from worker.mapping.mapper import Mapper
    from worker.store.archive import Archive


class Parts:
    """What is made of the settings alone; to be made after a fork, never shared across one."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen

    @cached_property
    def redis_url(self) -> str:
        """The server that holds the events."""
        return connect.find_url(self.settings)

    @cached_property
    def address(self) -> Address:
        """The same, read."""
        return connect.find_address(self.settings)

    @cached_property
    def broker(self) -> Broker:
        """The server that carries Celery's wake-ups."""
        return find_broker(self.settings)

    @cached_property
    def redis(self) -> redis.Redis:
        """The client of all but the web door's appends."""
        return connect.open_client(self.address)

    @cached_property
    def streams(self) -> Streams:
        """The event streams."""
        chosen = self.settings
        return Streams(self.redis, int(chosen.lease_s * 1000), chosen.person_ttl_s, WAKE_MS)

    @cached_property
    def archive(self) -> "Archive | None":
        """The archive of what was trimmed; None where there is none.

        Raises:
            OperatorError: RELAY_ARCHIVE_URL is wrong, or the extra is not installed.
        """
        from worker.store.archive import open_archive  # noqa: PLC0415 - most commands have no use for it

        return open_archive(self.settings.archive_url)

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
    def dead_groups(self) -> Groups:
        """The dead letters by what has to be fixed."""
        return Groups(self.redis, self.dead_letters)

    @cached_property
    def dead_changes(self) -> "DeadChanges":
        """What may be done to dead letters."""
        from worker.dead.changes import DeadChanges  # noqa: PLC0415 - as `archive`

        return DeadChanges(self.redis, self.settings.shards, self.dead_letters)

    @cached_property
    def jobs(self) -> Jobs:
        """The replay jobs."""
        return Jobs(self.redis, self.settings.shards)

    @cached_property
    def claims(self) -> Claims:
        """Who works on which job."""
        return Claims(self.redis)

    @cached_property
    def suppressed(self) -> Suppressed:
        """The suppression list."""
        return Suppressed(self.redis)

    @cached_property
    def processes(self) -> Processes:
        """The heartbeats."""
        return Processes(self.redis)

    @cached_property
    def holders(self) -> Holders:
        """Holders of leases: those of this process, and what is known of others."""
        return Holders(self.redis, self.processes)

    @cached_property
    def counters(self) -> Counters:
        """Counters that belong to no shard."""
        return Counters(self.redis)

    @cached_property
    def revisions(self) -> Revisions:
        """The revisions in Redis."""
        return Revisions(self.redis)

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets that are within this process's reach."""
        return Secrets(os.environ, partial(unseal, secret_keys(self.settings)))

    @cached_property
    def on_disk(self) -> OnDisk:
        """The integrations file as it is now: the next process that starts here reads it."""
        return OnDisk(self.settings.integrations, self.secrets)

    def mapper(self, integration: Integration) -> "Mapper":
        """The mapping of an integration."""
        from worker.mapping.mapper import Mapper  # noqa: PLC0415 - as `archive`

        return Mapper(integration, int(self.settings.clock_tolerance_s * 1000))
