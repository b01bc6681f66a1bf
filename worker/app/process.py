"""One process of the relay: its beginning, its beats, its end, and what it serves."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import redis
from pydantic import ValidationError

from config.settings import Settings, settings
from config.wording import of_settings
from worker.app.joined import JoinedParts
from worker.customerio.traffic import TRAFFIC
from worker.errors import OperatorError
from worker.process.instance import instance
from worker.process.pulse import Pulse
from worker.process.stop import Stop
from worker.store.lane import Lane
from worker.store.processes import Process, Role
from worker.store.refusals import REFUSALS, Refusals

if TYPE_CHECKING:
    from worker.delivery.lease_run import Delivery
    from worker.replay.jobrun import JobRun
    from worker.replay.serving import Serving


_LEAVING_S = 1.5


class Relay(JoinedParts):
    """The parts of one process, each made when first asked for; to be made after a fork, never shared across one."""

    def __init__(self, chosen: Settings, role: Role = "command") -> None:
        super().__init__(chosen, role)
        self._begun = False

    @cached_property
    def pulse(self) -> Pulse:
        """What looks for a new revision once a second, and says that this process is alive."""
        return Pulse(self._beat)

    def start_pulse(self) -> None:
        """Begin to look and to speak, and to leave servers that Sentinels have replaced."""
        self.pulse.start()
        if self.address.sentinels or "+sentinel://" in self.settings.broker_url:
            from worker.process.former import Leaver  # noqa: PLC0415 - for few

            Pulse(Leaver().look, _LEAVING_S).start()

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
        try:
            self._look()
        except redis.exceptions.OutOfMemoryError:  # it is alive for all that, and tries again
            self._speak()
            raise
        self._speak()

    def _look(self) -> None:
        if self._begun:
            self.look_at_layout()
            self.live.look()
        else:
            self.begin()

    def _speak(self) -> None:
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
            unserved=tuple(one.name for one in loaded.integrations.integrations.values() if one.unresolved),
            shards=self.layout.shards,
            instance=instance(),
            broken=next(iter(self.on_disk.problems()), ""),
            unpublished=str(self.settings.integrations) if self.on_disk.is_other_than(loaded.revision.digest) else "",
        )

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
