"""Composition root: the one place where parts are made and joined."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import redis
from pydantic import ValidationError

from config.integrations import Integration, Integrations
from config.secrets import Secrets
from config.settings import Settings, settings
from config.wording import of_settings
from worker.customerio.traffic import TRAFFIC
from worker.dead.groups import Groups
from worker.dead.letters import DeadLetters
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.process.instance import instance
from worker.process.pulse import Pulse
from worker.process.stop import Stop
from worker.replay.claims import Claims
from worker.replay.jobs import Jobs
from worker.revisions.keyring import secret_keys, unseal
from worker.revisions.lastgood import LastGood
from worker.revisions.live import EMPTY, NO_CONFIG, Live
from worker.revisions.ondisk import OnDisk
from worker.revisions.store import Revisions
from worker.store import connect
from worker.store.address import Address
from worker.store.broker import Broker, find_broker
from worker.store.counters import Counters
from worker.store.holders import Holders
from worker.store.holds import Holds
from worker.store.keys import INTEGRATIONS, SHARDS, SOURCES
from worker.store.lane import Lane, lanes_of
from worker.store.layout import Layout, find_layout, write_layout
from worker.store.processes import Process, Processes, Role
from worker.store.refusals import REFUSALS, Refusals
from worker.store.schema import note_schema
from worker.store.stream import WAKE_MS, Streams
from worker.store.suppression import Suppressed

if TYPE_CHECKING:
    from worker.dead.changes import DeadChanges
    from worker.delivery.lease_run import Delivery
    from worker.mapping.mapper import Mapper
    from worker.replay.jobrun import JobRun
    from worker.replay.serving import Serving
    from worker.store.archive import Archive


log = EventLog(__name__)

# What is made for a number of shards, and made again for another one.
_OF_SHARDS = ("holds", "dead_letters", "dead_groups", "dead_changes", "jobs", "serving")


class Relay:
    """The parts of one process, each made when first asked for; to be made after a fork, never shared across one."""

    def __init__(self, chosen: Settings, role: Role = "command") -> None:
        self.settings = chosen
        self.role: Role = role  # before the configuration is first asked for
        self._begun = False
        self._checked = False
        self._asked, self._is_asked = chosen.shards, "shards" in chosen.model_fields_set
        self.layout = Layout(chosen.shards)

    @property
    def integrations(self) -> Integrations:
        """The configuration in force, as this process has it just now.

        Raises:
            OperatorError: the integrations file has an error; or a command finds no configuration at all.
        """
        loaded = self.live.loaded
        if loaded is EMPTY and self.role == "command":
            raise OperatorError(NO_CONFIG)
        return loaded.integrations

    @cached_property
    def live(self) -> Live:
        """What keeps this process on the revision in force."""
        chosen = self.settings
        try:
            revisions = self.revisions
        except OperatorError:
            if chosen.integrations is None:
                raise
            revisions = None  # a file can be looked at without a server
        last_good = None if self.role == "command" else LastGood(chosen.data_dir)
        return Live(revisions, self.secrets, chosen.integrations, last_good, lambda new: self.join(new.integrations))

    @cached_property
    def on_disk(self) -> OnDisk:
        """The integrations file as it is now: the next process that starts here reads it."""
        return OnDisk(self.settings.integrations, self.secrets)

    @cached_property
    def revisions(self) -> Revisions:
        """The revisions in Redis."""
        return Revisions(self.redis)

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets that are within this process's reach."""
        return Secrets(os.environ, partial(unseal, secret_keys(self.settings)))

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
    def pulse(self) -> Pulse:
        """What looks for a new revision once a second, and says that this process is alive."""
        return Pulse(self._beat)

    def begin(self) -> None:
        """Publish the file that owns the configuration, if it is new; take up what is in force; make its groups.

        Raises:
            OperatorError: the file has an error, or the number of shards is wrong.
        """
        with suppress(redis.RedisError, OSError):  # then what follows says so, or does without
            self.check_store()  # before a file is published: a release that is too old changes nothing
        self.live.begin(f"{self.role} on {socket.gethostname()}")
        self.join()
        self._begun = True

    def _beat(self) -> None:
        """One beat of the pulse."""
        if self._begun:
            self.look_at_layout()
            self.live.look()
        else:
            self.begin()
        self.holders.speak()
        self.processes.beat(self.process())
        self._hand_on()

    def _hand_on(self) -> None:
        """Add what this process counted of its requests, and of those it refused, to all that is known of them."""
        counts, refused = TRAFFIC.take(), REFUSALS.take()
        try:
            self.counters.add(counts)
            counts = {}
            Refusals(self.redis).add(refused)
        except (redis.RedisError, OSError):
            TRAFFIC.give(counts)
            REFUSALS.give(refused)

    def end(self) -> None:
        """Stop looking, and note that this process ends on purpose."""
        self.pulse.stop()
        self._hand_on()
        with suppress(redis.RedisError, OSError, OperatorError):
            self.holders.speak()
            self.processes.leave(self.process())

    def process(self) -> Process:
        """What this process says of itself."""
        loaded = self.live.loaded
        return Process(
            host=socket.gethostname(),
            pid=os.getpid(),
            role=self.role,
            version=package_version(),
            revision=loaded.number,
            since_ms=self.live.since_ms,
            owner="file" if self.settings.integrations else "store",
            missing=len(loaded.integrations.unresolved),
            shards=self.layout.shards,
            instance=instance(),
            broken=next(iter(self.on_disk.problems()), ""),
        )

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

    def lanes(self, of: Integrations | None = None) -> list[Lane]:
        """Every integration on every shard of its source; of the configuration in force, if none is given."""
        return lanes_of(of or self.integrations, self.settings.shards)

    def join(self, of: Integrations | None = None) -> None:
        """Make what must exist before events may come: every integration's group on every shard.

        A server that does not know the number of shards is new, or was emptied while the web door went on storing:
        then all that it holds was accepted and offered to no group yet, and groups begin at its first event.

        Raises:
            OperatorError: the number of shards is not the one the stored events were spread over, or a newer release
                wrote them.
        """
        known = self.check_store()
        chosen = of or self.integrations
        integrations = chosen.integrations
        for key, names in ((SOURCES, chosen.sources.keys()), (INTEGRATIONS, integrations.keys())):
            once: Any = self.redis.smembers(key)
            new = names - {name.decode() for name in once}
            if new:  # only then: it must be possible to join a server whose memory is full
                self.redis.sadd(key, *new)
        self.streams.join_all(
            (lane, integrations[lane.integration].start if known else "archive") for lane in self.lanes(of)
        )
        if not known:
            self._note_layout()
        with suppress(redis.exceptions.OutOfMemoryError):  # then a later join writes it
            note_schema(self.redis)

    def check_store(self) -> bool:
        """Whether this Redis was joined before.

        Raises:
            OperatorError: it holds what this release, or these settings, would misread.
        """
        found = find_layout(self.redis, self._asked, is_set=self._is_asked)
        if found is not None:
            self._take_up(found)
        return found is not None

    def look_at_layout(self) -> None:
        """Take up the number of shards that is in force now, and make the groups of new ones.

        Raises:
            OperatorError: it is none that this process may serve.
        """
        former = self.layout.shards
        if self.check_store() and self.layout.shards != former:
            self.join()

    def _take_up(self, layout: Layout) -> None:
        former, self.layout = self.layout, layout
        if layout.shards != self.settings.shards:
            self.settings = self.settings.model_copy(update={"shards": layout.shards})
            for name in _OF_SHARDS:
                self.__dict__.pop(name, None)
        if (layout.epoch, layout.shards) != (former.epoch, former.shards) and self.role != "command":
            log.info("shards_taken_up", shards=layout.shards, former=former.shards, epoch=layout.epoch)
            if self._asked != layout.shards and self._asked in layout.formerly:
                log.warning("shards_are_more", message=f"RELAY_SHARDS is {self._asked}; set it to {layout.shards}")

    def _note_layout(self) -> None:
        """Write down how many shards a Redis has that knew nothing of it; one that was emptied has them again."""
        if self.redis.set(SHARDS, self.layout.shards, nx=True, get=True) is not None:
            self.check_store()  # another process was first
        elif self.layout.epoch > 1:
            write_layout(self.redis, self.layout)

    def check_once(self) -> None:
        """The same, once: for a process that may have begun while Redis was away.

        Raises:
            OperatorError: it holds what this release, or these settings, would misread.
        """
        if not self._checked:
            self.check_store()
            self._checked = True

    def known_integrations(self) -> list[str]:
        """The integrations of the file, and those that were in it once: their dead letters are still there."""
        names = list(self.integrations.integrations)
        once: Any = self.redis.smembers(INTEGRATIONS)
        return names + sorted({name.decode() for name in once} - set(names))

    def mapper(self, integration: Integration) -> "Mapper":
        """The mapping of an integration."""
        from worker.mapping.mapper import Mapper  # noqa: PLC0415 - as `archive`

        return Mapper(integration, int(self.settings.clock_tolerance_s * 1000))

    @cached_property
    def serving(self) -> "Serving":
        """What serves lanes and jobs."""
        from worker.replay.serving import Serving  # noqa: PLC0415 - a fifth of a second that most commands have no use for

        config = partial(getattr, self, "integrations")
        return Serving(
            self.settings,
            config,
            self.redis,
            self.streams,
            self.holders,
            self.holds,
            self.suppressed,
            self.jobs,
            self.claims,
        )

    def delivery(self, lane: Lane, stop: Stop) -> "Delivery":
        """A delivery for one lease."""
        return self.serving.delivery(lane, stop)

    def job_run(self, job_id: str, wake: Callable[[str, int], object], stop: Stop) -> "JobRun":
        """One task's work on a replay job."""
        return self.serving.job_run(job_id, wake, stop)


_relays: dict[int, Relay] = {}


def package_version() -> str:
    """The release that is installed."""
    return version("purchasely-customerio-relay")


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
        raise OperatorError(*of_settings(error)) from None
