"""Which replay jobs have nobody at work on them: just started, resumed, or left behind by a worker that was killed."""

import time

from worker.app import Relay
from worker.replay.job import Job


def idle_jobs(parts: Relay) -> list[tuple[str, str]]:
    """The jobs to wake now, each with the token of the task that is to work on it."""
    waiting = [job for job in parts.jobs.open() if job.state != "paused"]
    claimed = parts.claims.claimed(job.id for job in waiting)
    woken = []
    for job in waiting:
        if job.id in claimed or not _has_work(parts, job):
            continue
        if token := parts.claims.wake(job.id):
            woken.append((job.id, token))
    return woken


def _has_work(parts: Relay, job: Job) -> bool:
    """Whether a task could do anything for it: close it, or replay where nothing is held, or probe."""
    if job.state != "running":
        return True
    lanes = {integration for integration, _, _ in parts.jobs.lanes(job)}
    holds = parts.holds.get(lanes)
    now_ms = time.time_ns() // 1_000_000
    return not lanes or any(
        (hold := holds.get(name)) is None or hold.kind == "dead_limit" or 0 < hold.next_probe_ms <= now_ms
        for name in lanes & parts.integrations.integrations.keys()
    )
