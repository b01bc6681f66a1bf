"""A job of the workers as a command runs it: asked for, started, watched to its end, its exit code."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from worker.cli.dead.follow import ending, follow
from worker.cli.dead.jobs_table import job_row
from worker.cli.dead.options import confirm
from worker.cli.printing import echo_json, say

if TYPE_CHECKING:
    from worker.replay.job import Job
    from worker.replay.jobs import Jobs

WAIT = click.option("--wait/--no-wait", default=True, show_default=True, help="Watch the job until it ends.")


@dataclass(frozen=True)
class Running:
    """How a command was asked to run its job; `plan` is what it has said of it, for programs under `name`.

    `then`: what to say when it has ended; `{job}` in it is the job's id.
    """

    dry_run: bool
    yes: bool
    wait: bool
    as_json: bool
    plan: object
    name: str = "plan"
    then: str = ""

    def run(self, jobs: "Jobs", number: int, question: str, start: "Callable[[], Job]") -> None:
        """Start a job that has so many things to do, once the question is answered; watch it.

        Raises:
            click.exceptions.Exit: it was watched: 0 when all went well, else 1.
        """
        if self.dry_run or not number:
            if self.as_json:
                echo_json({self.name: self.plan, "job": None})
            return
        confirm(question, yes=self.yes, as_json=self.as_json)
        job = start()
        if not self.as_json:
            say(f"job {job.id} (relay jobs show {job.id})")
        ended = follow(jobs, job.id, quiet=self.as_json) if self.wait else job
        if self.as_json:
            echo_json({self.name: self.plan, "job": job_row(ended)})
        elif self.wait and self.then:
            say(self.then.replace("{job}", job.id))
        if self.wait:
            raise click.exceptions.Exit(ending(ended))
