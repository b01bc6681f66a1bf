"""Jobs: what is being sent again, how far and how fast it is, what failed in it; pause, resume, abort."""

import time
from collections import OrderedDict
from typing import Any, get_args

from worker.acts.record import Doer
from worker.acts.replaying import move_job
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.next_step import left_of
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.console.waiting import waits
from worker.dead.advice import what_is_wrong
from worker.dead.filters import Filter
from worker.dead.letter import Letter
from worker.replay.job import Job, JobState

_LIMIT = 30
_LETTERS = 50
_SAID = {"paused": "Paused.", "running": "Running.", "aborted": "Aborted: what was left stays as it was."}
# A rate is that of the last seconds, as far as somebody looked then.
_WINDOW_MS = 20_000
_LEAST_MS = 1000
_KNOWN = 200


class Rates:
    """How fast jobs are: what was done between two looks of this process, else since they were started."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, list[tuple[int, int]]] = OrderedDict()

    def of(self, job: Job, now_ms: int) -> float:
        """Letters (or events, or people) a second; 0 for one that does not run."""
        if job.state != "running":
            self._seen.pop(job.id, None)
            return 0.0
        done = job.matched - job.left
        seen = self._seen.setdefault(job.id, [])
        while len(self._seen) > _KNOWN:
            self._seen.popitem(last=False)
        recent = [one for one in seen if one[0] > now_ms - _WINDOW_MS]
        seen[:] = [*recent, (now_ms, done)]
        since_ms, before = recent[0] if recent else (job.created_ms, 0)
        if now_ms - since_ms < _LEAST_MS:
            since_ms, before = job.created_ms, 0
        return max(0.0, (done - before) * 1000 / max(now_ms - since_ms, _LEAST_MS))


class JobsPage(Page):
    """`GET /jobs`; POST moves one of them to another state."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._rates = Rates()

    def get(self, visit: Visit) -> Reply:
        """The jobs, newest first."""
        before = visit.asked("before")
        found = self._parts.jobs.page(_LIMIT, int(before) if before.isascii() and before.isdigit() else None)
        now_ms = time.time_ns() // 1_000_000
        facts = {
            "jobs": found,
            "rates": {one.id: self._rates.of(one, now_ms) for one in found},
            "older": f"/jobs?before={found[-1].created_ms}" if len(found) == _LIMIT else "",
            "may_act": visit.viewer.may(Permission.ACT),
            "workers": _workers(self._parts),
            "waits": waits(self._parts, found),
            "personal": personal(self._parts, visit, "activity", "the list"),
        }
        return Screen("jobs.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Pause, resume or abort."""
        return _move(self._parts, visit, visit.entered("job"), "/jobs")


class JobPage(Page):
    """`GET /jobs/{job}`: one job, and exactly the events that failed in it and are failed still."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._rates = Rates()

    def get(self, visit: Visit) -> Reply:
        """Its figures, what became of what it did, and the failed ones."""
        job = self._parts.jobs.get(visit.path["job"])
        if job is None:
            raise NoSuchPageError(f"There is no job {visit.path['job']}; the last 200 are kept.")
        wanted = Filter(job=job.id, since_ms=job.created_ms)
        known = set(self._parts.known_integrations())
        names = [name for name in job.integrations if name in known]
        letters: list[Letter] = []
        more = None
        if job.counts.get("dead") or job.kind == "edits":
            letters, more = self._parts.dead_letters.page(names, wanted, _LETTERS)
        facts = {
            **job_facts(self._parts, job, self._rates),
            "left": left_of(self._parts, job),
            "letters": letters,
            "more": more is not None,
            "what": {one.id: what_is_wrong(one.reason, one.field, one.status) for one in letters},
            "may_act": visit.viewer.may(Permission.ACT),
            "personal": personal(self._parts, visit, "activity", "the list"),
        }
        return Screen("job.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Pause, resume or abort."""
        return _move(self._parts, visit, visit.path["job"], f"/jobs/{visit.path['job']}")


def is_going(parts: Relay, visit: Visit) -> bool:
    """Whether the job that the address names is not over: what it sends is shown once it is."""
    job = parts.jobs.get(visit.asked("job")) if visit.asked("job") else None
    return job is not None and job.state in {"running", "paused"}


def job_facts(parts: Relay, job: Job, rates: Rates) -> dict[str, Any]:
    """What is shown of a job wherever it is shown."""
    return {
        "job": job,
        "rate": rates.of(job, time.time_ns() // 1_000_000),
        "workers": _workers(parts),
        "waits": waits(parts, [job]).get(job.id, []),
    }


def _workers(parts: Relay) -> int:
    """How many worker processes are alive."""
    return sum(one.alive and one.role == "worker" for one in parts.processes.all())


def _move(parts: Relay, visit: Visit, job_id: str, back: str) -> Reply:
    state = visit.entered("state")
    if state not in get_args(JobState) or state == "done" or parts.jobs.get(job_id) is None:
        raise NoSuchPageError(f"There is no job {job_id} that could be {state}.")
    asked: JobState = state  # type: ignore[assignment]
    now = move_job(parts, job_id, asked, Doer(visit.viewer.login))
    return Redirect(back, f"{job_id}: {_SAID[state]}" if now == state else f"{job_id} is {now} already.")
