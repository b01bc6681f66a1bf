"""One task's work on a replay job: turn after turn on its lanes, at the job's rate, after live events.

Behind: a lane where live events wait, or are just being delivered, is passed over; live events need no lease for more
than a moment unless they come faster than they are delivered. A job that finds no turn for `_PATIENCE_MS` takes small
ones in between all the same, so that a lane which never empties does not block its dead letters for ever.
"""

import time
import uuid
from collections.abc import Callable
from typing import Protocol

import msgspec

from worker.process.stop import Stop
from worker.replay.claims import Claims
from worker.replay.job import Job
from worker.replay.jobs import Jobs
from worker.replay.turn import TURN_LETTERS, Ended
from worker.store.holds import Hold, Holds

# How long one task works on a replay; with a single worker process, live events wait that long at most.
JOB_BUDGET_S = 0.5

_PATIENCE_MS = 30_000
_OVERTAKING_LETTERS = 25
_AGAIN_S = 0.5
_LONGEST_WAIT_S = 2.0
_SHORTEST_WAIT_S = 0.03  # below this a task sleeps rather than send itself a message


class LaneTurns(Protocol):
    """A job's turns on one lane."""

    def turn(self, most: int, *, overtake: bool = ..., probe: bool = ...) -> Ended:
        """Do up to `most` of what the job has to do there; `Replay.turn` says more."""
        ...


class Turns(Protocol):
    """Where turns come from."""

    def __call__(self, job: Job, integration: str, shard: int, renew: Callable[[], None]) -> LaneTurns | None:
        """Make a job's turns on a lane; None when the integration is not in the file any more."""
        ...


class Pace(msgspec.Struct, frozen=True):
    """How long one task may work, how long its claim lives, and how far a probe is put off while it is under way."""

    budget_s: float
    claim_ms: int
    probe_ms: int


class JobRun:
    """Works on a job until it is done, held up, or the budget is spent."""

    def __init__(
        self,
        job_id: str,
        jobs: Jobs,
        claims: Claims,
        holds: Holds,
        turns: Turns,
        wake: Callable[[str, int], object],
        pace: Pace,
        stop: Stop,
    ) -> None:
        self._job_id = job_id
        self._jobs = jobs
        self._claims = claims
        self._holds = holds
        self._turns = turns
        self._wake = wake
        self._pace = pace
        self._stop = stop

    def run(self, token: str) -> tuple[str, float] | None:
        """The token of the task that must follow, and in how many seconds; None when none must."""
        following = uuid.uuid4().hex
        if not self._claims.take(self._job_id, token, following, self._pace.claim_ms):
            return None
        wait_s = self._work()
        if wait_s is None:
            self._claims.drop(self._job_id, following)
            return None
        self._claims.renew(self._job_id, self._pace.claim_ms + int(wait_s * 1000))
        return following, wait_s

    def _work(self) -> float | None:
        ends = time.monotonic() + self._pace.budget_s
        while True:
            job = self._jobs.peek(self._job_id)
            if job is None or job.state == "paused" or self._stop.asked():
                return None
            if job.state in {"aborted", "done"}:
                self._jobs.close(job)
                return None
            lanes = self._jobs.lanes(job)
            if not lanes:
                self._jobs.move(job.id, "done")
                continue
            if time.monotonic() > ends:
                return 0.0
            wait_s = (job.due_ms - _now_ms()) / 1000
            if wait_s > _SHORTEST_WAIT_S:
                return min(wait_s, _LONGEST_WAIT_S)
            self._stop.sleep(max(0.0, wait_s))
            self._renew()
            next_s = self._round(job, [(name, shard) for name, shard, _ in lanes])
            if next_s != 0:
                return next_s

    def _round(self, job: Job, lanes: list[tuple[str, int]]) -> float | None:
        """One turn on the first lane that allows it: 0 after it, else seconds to wait (None: until the sweep wakes)."""
        overtake = bool(job.behind_since_ms) and _now_ms() - job.behind_since_ms > _PATIENCE_MS
        holds = self._holds.get(job.integrations)
        reasons = set()
        for integration, shard in lanes:
            if f"{integration} is held" in reasons:
                continue
            ended = self._take_turn(job, integration, shard, holds.get(integration), overtake=overtake)
            if ended is None:
                reasons.add(f"{integration} is not in the integrations file")
            elif ended.how == "shadow":
                reasons.add(f"{integration} is in shadow (send = false)")
            elif ended.how == "held":
                reasons.add(f"{integration} is held")
            elif ended.how == "stopped":
                return None
            elif ended.how == "settled":
                self._note(job, ended.letters, behind=overtake)
                return _AGAIN_S if overtake else 0.0
            elif ended.how in {"busy", "live"}:
                reasons.add("live events go first")
        if not reasons:
            return 0.0  # the lanes have been emptied meanwhile
        self._wait(job, reasons)
        return _AGAIN_S if "live events go first" in reasons else None

    def _take_turn(self, job: Job, integration: str, shard: int, hold: Hold | None, *, overtake: bool) -> Ended | None:
        replay = self._turns(job, integration, shard, self._renew)
        if replay is None:
            return None
        probe = False
        if hold is not None and waits_for(hold, job):
            probe = self._holds.claim_probe(integration, _now_ms(), self._pace.probe_ms)
            if not probe:
                return Ended("held")
        most = _OVERTAKING_LETTERS if overtake else TURN_LETTERS
        if job.rate:
            most = min(most, max(1, int(job.rate / 4)))
        # on a held lane, events wait for the hold to end, not for their turn
        ended = replay.turn(most, overtake=overtake or hold is not None, probe=probe)
        if ended.wake:
            self._wake(integration, shard)
        return ended

    def _renew(self) -> None:
        self._claims.renew(self._job_id, self._pace.claim_ms)

    def _note(self, job: Job, letters: int, *, behind: bool) -> None:
        facts: dict[str, str | int] = {}
        if job.rate and letters:
            facts["due_ms"] = max(_now_ms(), job.due_ms) + int(letters * 1000 / job.rate)
        if job.message:
            facts["message"] = ""
        if job.behind_since_ms and not behind:
            facts["behind_since_ms"] = 0
        if facts:
            self._jobs.note(job.id, **facts)

    def _wait(self, job: Job, reasons: set[str]) -> None:
        message = "; ".join(sorted(reasons))
        facts: dict[str, str | int] = {"message": message} if message != job.message else {}
        if "live events go first" in reasons and not job.behind_since_ms:
            facts["behind_since_ms"] = _now_ms()
        if facts:
            self._jobs.note(job.id, **facts)


def waits_for(hold: Hold, job: Job) -> bool:
    """Whether a hold keeps a job from its work: an edit sends nothing, and a replay ends a hold for too many letters.

    A replay of retained events would add to those letters.
    """
    return job.kind != "edits" and (hold.kind != "dead_limit" or job.kind == "events")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
