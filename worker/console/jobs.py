"""Jobs: what is being sent again, how far it is; pause, resume, abort."""

from typing import get_args

from worker.acts.record import Doer
from worker.acts.replaying import move_job
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.replay.job import JobState

_LIMIT = 30
_SAID = {"paused": "Paused.", "running": "Running.", "aborted": "Aborted: what was left stays as it was."}


class JobsPage(Page):
    """`GET /jobs`; POST moves one of them to another state."""

    does = Permission.ACT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """The jobs, newest first."""
        before = visit.asked("before")
        found = self._parts.jobs.page(_LIMIT, int(before) if before.isascii() and before.isdigit() else None)
        facts = {
            "jobs": found,
            "older": f"/jobs?before={found[-1].created_ms}" if len(found) == _LIMIT else "",
            "may_act": visit.viewer.may(Permission.ACT),
            "workers": sum(one.alive and one.role == "worker" for one in self._parts.processes.all()),
        }
        return Screen("jobs.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Pause, resume or abort."""
        job_id, state = visit.entered("job"), visit.entered("state")
        if state not in get_args(JobState) or state == "done" or self._parts.jobs.get(job_id) is None:
            raise NoSuchPageError(f"There is no job {job_id} that could be {state}.")
        asked: JobState = state  # type: ignore[assignment]
        now = move_job(self._parts, job_id, asked, Doer(visit.viewer.login))
        return Redirect("/jobs", f"{job_id}: {_SAID[state]}" if now == state else f"{job_id} is {now} already.")
