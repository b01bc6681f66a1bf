"""Serving integrations: deliveries and replay jobs of one process, over workshops that are kept from lease to lease."""

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
import redis

from config.integrations import Integration, Integrations
from config.settings import Settings
from worker.customerio.rate_limit import RequestPace
from worker.dead.changes import DeadChanges
from worker.dead.edits import Changes
from worker.dead.letters import DeadLetters
from worker.delivery.lease_run import Delivery
from worker.delivery.workshop import Workshop
from worker.mapping.batching import Fill
from worker.process.stop import Stop
from worker.replay.claims import Claims
from worker.replay.editing import Editor, EditTurns
from worker.replay.event_lanes import EventLanes
from worker.replay.job import Job
from worker.replay.jobrun import JOB_BUDGET_S, JobRun, LaneTurns, Pace
from worker.replay.jobs import Jobs
from worker.replay.letter_lanes import LetterLanes
from worker.replay.resync import PeopleLanes, Resync
from worker.replay.turn import TURN_LETTERS, Replay
from worker.store.holders import Holders
from worker.store.holds import Holds
from worker.store.lane import Lane
from worker.store.stream import WAKE_MS, Streams
from worker.store.suppression import Suppressed

AnyLanes = TypeVar("AnyLanes", bound=LetterLanes)


class _Workshops(threading.local):
    """The workshops of one thread: each serves one lane at a time, on a connection of its own."""

    def __init__(self) -> None:
        self.by_name: dict[str, Workshop] = {}
        self._config: Integrations | None = None

    def keep(self, config: Integrations) -> None:
        """Close the sessions of integrations that another revision removed; those in use belong to other threads."""
        if config is not self._config:
            for name in self.by_name.keys() - config.integrations.keys():
                self.by_name.pop(name).close()
            self._config = config


class Serving:
    """Makes what serves a lane or a job; `config` gives the configuration in force. To be made after a fork."""

    def __init__(
        self,
        chosen: Settings,
        config: Callable[[], Integrations],
        client: redis.Redis,
        streams: Streams,
        holders: Holders,
        holds: Holds,
        suppressed: Suppressed,
        jobs: Jobs,
        claims: Claims,
    ) -> None:
        self._settings = chosen
        self._config = config
        self._redis = client
        self._streams = streams
        self._holders = holders
        self._holds = holds
        self._suppressed = suppressed
        self._jobs = jobs
        self._claims = claims
        self._mine = _Workshops()
        self._fills: dict[str, Fill] = {}  # of each integration: threads learn from each other
        self._paces: dict[str, RequestPace] = {}  # likewise: a permit that one thread took, any other may use

    def delivery(self, lane: Lane, stop: Stop) -> Delivery:
        """A delivery for one lease."""
        return self._workshop(self._config().integrations[lane.integration], stop).delivery(lane)

    def job_run(self, job_id: str, wake: Callable[[str, int], object], stop: Stop) -> JobRun:
        """One task's work on a replay job."""
        chosen = self._settings
        probe_s = chosen.request_timeout_s + chosen.lease_s + 5
        pace = Pace(min(JOB_BUDGET_S, chosen.budget_s), int(chosen.lease_s * 1000), int(probe_s * 1000))
        return JobRun(job_id, self._jobs, self._claims, self._holds, partial(self._turns, stop), wake, pace, stop)

    def lanes(self, kind: type[AnyLanes]) -> AnyLanes:
        """The lanes as a replay of that kind uses them."""
        chosen = self._settings
        return kind(self._redis, int(chosen.lease_s * 1000), chosen.person_ttl_s, WAKE_MS)

    def close(self) -> None:
        """Close the HTTP sessions of this thread."""
        for shop in self._mine.by_name.values():
            shop.close()

    def _workshop(self, integration: Integration, stop: Stop) -> Workshop:
        """What an integration's deliveries and replays share, kept for the next lease."""
        self._mine.keep(self._config())
        shops = self._mine.by_name
        made = shops.get(integration.name)
        if made is not None and not made.serves(integration):
            made.close()
            made = None
        if made is None:
            fill = self._fills.setdefault(integration.name, Fill(self._settings.batch_events))
            pace = RequestPace(self._redis, integration.name, self._settings.requests_per_s)
            pace = self._paces.setdefault(integration.name, pace)
            made = shops[integration.name] = Workshop(
                integration,
                self._settings,
                self._redis,
                self._streams,
                self._holders,
                self._holds,
                self._suppressed,
                stop,
                fill,
                pace,
            )
        return made

    def editor(self, integration: Integration, wanted: Changes, job: tuple[str, str] = ("", "")) -> Editor:
        """What changes an integration's dead letters alike; `job`: its id, and who has started it."""
        chosen = self._settings
        changes = DeadChanges(self._redis, chosen.shards, DeadLetters(self._redis, chosen.shards))
        return Editor(changes, wanted, job, integration.source_identity, chosen.shards, chosen.max_event_bytes)

    def _turns(self, stop: Stop, job: Job, integration: str, shard: int, renew: Callable[[], None]) -> LaneTurns | None:
        known = self._config().integrations.get(integration)
        if known is None:
            return None
        if job.kind == "edits":
            wanted = msgspec.json.decode(job.edit or b"{}", type=Changes)
            editor = self.editor(known, wanted, (job.id, job.by))
            letters = DeadLetters(self._redis, self._settings.shards)
            return EditTurns(self._redis, job, integration, shard, letters, editor)
        shop, lane = self._workshop(known, stop), Lane(known.source, integration, shard)
        requests, renew_both = (
            shop.requests(lane, Fill(TURN_LETTERS), every_event=bool(job.off_too)),
            shop.lease_renewal(lane, renew),
        )
        if job.kind == "people":
            people, states = self.lanes(PeopleLanes), self._streams.states
            parts = (shop.gate, renew_both, shop.holders, shop.bounds)
            return Resync(lane, job.id, people, requests, shop.mapper, self._suppressed.people(), states, *parts)
        lanes = self.lanes(LetterLanes if job.kind == "letters" else EventLanes)
        return Replay(lane, job.id, lanes, requests, shop.gate, renew_both, shop.holders, shop.bounds)
