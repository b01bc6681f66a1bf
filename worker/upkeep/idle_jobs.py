"""Idle replay jobs: just started, resumed, or left behind by a worker that was killed."""

import time
from collections.abc import Iterable

from worker.replay.claims import Claims
from worker.replay.job import Job
from worker.replay.jobrun import waits_for
from worker.replay.jobs import Jobs
from worker.store.holds import Holds


def idle_jobs(jobs: Jobs, claims: Claims, holds: Holds, served: Iterable[str]) -> list[tuple[str, str]]:
    """The jobs to wake now, each with the token of the task that is to work on it; `served` are the integrations."""
    waiting = [job for job in jobs.open() if job.state != "paused"]
    claimed = claims.claimed(job.id for job in waiting)
    names = frozenset(served)
    woken = []
    for job in waiting:
        if job.id in claimed or not _has_work(job, jobs, holds, names):
            continue
        if token := claims.wake(job.id):
            woken.append((job.id, token))
    return woken


def _has_work(job: Job, jobs: Jobs, holds: Holds, served: frozenset[str]) -> bool:
    """Whether a task could do anything for it: close it, or replay where nothing is held, or probe."""
    if job.state != "running":
        return True
    lanes = {integration for integration, _, _ in jobs.lanes(job)}
    held = holds.get(lanes)
    now_ms = time.time_ns() // 1_000_000
    return not lanes or any(
        (hold := held.get(name)) is None or not waits_for(hold, job) or 0 < hold.next_probe_ms <= now_ms
        for name in lanes & served
    )
