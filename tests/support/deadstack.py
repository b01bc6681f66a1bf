"""One relay with real Redis and a real simulator, worked by hand: the set-up of the tests of dead letters."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from config.settings import Settings
from tests.support.waiting import elapse
from worker.app import Relay
from worker.dead.filters import Filter
from worker.dead.letter import Letter
from worker.ledger.accounts import Account
from worker.ledger.figures import Ledger
from worker.process.stop import Stop
from worker.purchasely.event import event_key
from worker.purchasely.person import shard_of, shard_person
from worker.replay.job import Job
from worker.simulator.accounts import Account as Workspace
from worker.simulator.app import Options, Simulator
from worker.simulator.faults import Fault, Faults
from worker.store.keys import shard_key as key_of
from worker.store.lane import Lane
from worker.upkeep.idle_jobs import idle_jobs

SITE, KEY = "dead-site", "dead-key"
SECRETS = {"DEAD_TOKEN": "t", "DEAD_SITE": SITE, "DEAD_KEY": KEY}
SHARDS = 4

INTEGRATION = """
[sources.app]
tokens = ["env:DEAD_TOKEN"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:DEAD_SITE"
api_key = "env:DEAD_KEY"
base_url = "{simulator}"

[integrations.production.events]
"*" = true

[integrations.production.user_properties]
plan = true
last_event = true
"""


def options(**faults: Any) -> Options:
    """A simulator that knows the relay's key."""
    return Options(accounts=(Workspace(SITE, KEY, "eu"),), faults=Faults(**faults))


@contextmanager
def opened(folder: Path, redis_url: str, customerio: tuple[str, Simulator], **chosen: Any) -> Iterator["DeadStack"]:
    """A stack on an empty database; `chosen` are settings other than those of the tests."""
    url, simulator = customerio
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        stack = DeadStack(folder, redis_url, url, simulator, **chosen)
        yield stack
        stack.close()


class DeadStack:
    """The parts of one relay, and short ways to use them."""

    def __init__(self, folder: Path, redis_url: str, url: str, simulator: Simulator, **chosen: Any) -> None:
        self.path = folder / "integrations.toml"
        self.path.write_text(INTEGRATION.replace("{simulator}", url))
        self.simulator = simulator
        fast = {
            "data_dir": folder / "data",
            "shards": SHARDS,
            "hold_first_s": 0.05,
            "hold_longest_s": 0.1,
            "request_attempts": 1,
            "lease_s": 1,
            "budget_s": 60.0,  # one run ends with what waited, on a slow machine too
        }
        self.settings = Settings(redis_url=redis_url, integrations=self.path, **{**fast, **chosen})
        self.stop = Stop()
        self.woken: list[tuple[str, int]] = []
        self.jobs_woken: list[str] = []
        self.restart()
        self.parts.join()

    @property
    def environ(self) -> dict[str, str]:
        """What a process of its own needs to work on the same relay."""
        return SECRETS | {
            "RELAY_REDIS_URL": self.settings.redis_url,
            "RELAY_INTEGRATIONS": str(self.path),
            "RELAY_SHARDS": str(self.settings.shards),
        }

    def close(self) -> None:
        """Close every connection."""
        self.parts.serving.close()
        self.parts.redis.close()

    def restart(self, *changes: tuple[str, str]) -> None:
        """New parts, as after a restart; `changes` are replacements in the integrations file."""
        if hasattr(self, "parts"):
            self.close()
        text = self.path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        self.path.write_text(text)
        self.parts = Relay(self.settings)

    def append(self, *events: dict[str, Any] | bytes) -> None:
        """Store events as ingest does, each on its person's shard."""
        for event in events:
            raw = event if isinstance(event, bytes) else orjson.dumps(event)
            try:
                payload = orjson.loads(raw)
            except ValueError:
                payload = {}
            shard = shard_of(
                shard_person(payload, self.parts.integrations.identity("app")) or event_key(payload, raw),
                self.parts.settings.shards,
            )
            self.parts.redis.xadd(key_of(shard, "events", "app"), {"b": raw})
            self.parts.redis.hincrby(key_of(shard, "intake", "app"), "accepted", 1)

    def deliver(self, *events: dict[str, Any] | bytes) -> list[str]:
        """Store events and deliver whatever waits; how each lane ended."""
        self.append(*events)
        lanes = [Lane("app", "production", shard) for shard in range(self.parts.settings.shards)]
        return [self.parts.delivery(lane, self.stop).run(uuid.uuid4().hex) for lane in lanes]

    def letters(self, **wanted: Any) -> list[Letter]:
        """The dead letters that a filter means."""
        return list(self.parts.dead_letters.find(["production"], Filter(**wanted)))

    def start(self, letters: list[Letter], rate: float = 0, job_id: str = "") -> str:
        """Start a replay of these letters; the job's id."""
        job = Job(
            id=job_id or f"replay-{uuid.uuid4().hex[:6]}",
            by="test",
            filter="",
            integrations=sorted({letter.integration for letter in letters}),
            created_ms=time.time_ns() // 1_000_000,
            rate=rate,
            matched=len(letters),
        )
        self.parts.jobs.start(job, [letter.id for letter in letters])
        return job.id

    def idle(self) -> list[tuple[str, str]]:
        """The jobs that a sweep would wake now."""
        parts = self.parts
        return idle_jobs(parts.jobs, parts.claims, parts.holds, parts.integrations.integrations)

    def work(self, within_s: float = 10) -> None:
        """Do what the workers would for the open jobs, until none has anything to do just now."""
        ends = time.monotonic() + within_s
        while time.monotonic() < ends and (woken := self.idle()):
            for job_id, token in woken:
                following: tuple[str, float] | None = (token, 0.0)
                while following is not None and time.monotonic() < ends:
                    elapse(following[1])
                    following = self.task(job_id, following[0])

    def task(self, job_id: str, token: str) -> tuple[str, float] | None:
        """One task on a job: the token of the next one and in how many seconds, if there must be one."""
        run = self.parts.job_run(job_id, lambda name, shard: self.woken.append((name, shard)), self.stop)
        return run.run(token)

    def replay(self, letters: list[Letter] | None = None, rate: float = 0) -> Job:
        """Replay letters (all, when none are given) and the job as it then is."""
        job_id = self.start(self.letters() if letters is None else letters, rate)
        self.work()
        return self.job(job_id)

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        job = self.parts.jobs.get(job_id)
        assert job is not None
        return job

    def account(self) -> Account:
        """The books, which must balance at any time."""
        found = Ledger(self.parts).audit().findings
        assert not found, found
        return Ledger(self.parts).accounts()[0]

    def faults(self, fault: str = "", number: int = 1, **faults: Any) -> None:
        """Make the simulator fail: one kind for the next requests, or as its other options say; nothing: be well."""
        self.simulator.dice.load(Faults(arm={fault: Fault(next=number)} if fault else {}, **faults))

    def arrived(self) -> list[Any]:
        """The events at the simulator, in order of arrival."""
        return self.simulator.workspace()[1].journal.page(0, 1_000_000)


def event(number: int, name: str = "SUBSCRIPTION_RENEWED", **fields: Any) -> dict[str, Any]:
    """A small event of person `number`; `None` leaves a field out."""
    payload = {
        "event_name": name,
        "event_id": f"event-{number}-{name}",
        "event_created_at_ms": 1_760_000_000_000 + number * 1000,
        "user_id": f"user-{number}",
        "environment": "PRODUCTION",
        "plan": "monthly",
        "purchasely_subscription_id": f"sub-{number}",
        **fields,
    }
    return {field: value for field, value in payload.items() if value is not None}
