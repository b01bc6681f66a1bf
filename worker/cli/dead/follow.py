"""Watching a job until it ends: a bar in a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from worker.cli.printing import count, note, say
from worker.errors import OperatorError
from worker.process.plain import plain

if TYPE_CHECKING:
    from worker.replay.job import Job
    from worker.replay.jobs import Jobs

_LOOK_S = 0.25
_LINE_EVERY_S = 5.0
_IDLE_S = 10.0
# A fail-over, or a restart with the files of a day, is waited for so long.
_AWAY_S = 120.0


def find_job(jobs: "Jobs", job_id: str) -> "Job":
    """A job as it is now.

    Raises:
        click.UsageError: there is none.
    """
    job = jobs.get(job_id)
    if job is None:
        raise click.UsageError(f"no job {job_id}; `relay jobs` lists them")
    return job


def outcome(job: "Job") -> str:
    """What became of a job's letters, in a line."""
    message = {"dead": "failed again", "gone": "gone meanwhile", "unfit": "left as they are"}
    return ", ".join(f"{message.get(name, name)} {count(number)}" for name, number in sorted(job.counts.items())) or "-"


def ending(job: "Job") -> int:
    """The exit code for a job that was watched to its end."""
    return 0 if job.state == "done" and not (job.counts.get("dead") or job.counts.get("unfit")) else 1


def follow(jobs: "Jobs", job_id: str, *, quiet: bool) -> "Job":
    """Watch a job until it has ended and is summed up; Ctrl-C ends the watching, not the job.

    Raises:
        OperatorError: as of `_look`.
    """
    try:
        if quiet or not sys.stdout.isatty():
            job = _follow_lines(jobs, job_id, quiet=quiet)
        else:
            job = _follow_bar(jobs, job_id)
    except KeyboardInterrupt:
        say(err=True)
        say("the job goes on", err=True)
        say(f"watch: relay jobs show {job_id} --wait", err=True)
        say(f"stop:  relay jobs abort {job_id}", err=True)
        raise click.exceptions.Exit(1) from None
    if not quiet:
        say(f"{job.id} is {job.state}: {outcome(job)}" + (f", left {count(job.left)}" if job.left else ""))
    return job


def _news(job: "Job", idle_s: float) -> str:
    if job.state == "paused":
        return f"paused (relay jobs resume {job.id})"
    if job.message:
        return job.message
    return "is a worker running? (relay status)" if idle_s > _IDLE_S else ""


def _look(jobs: "Jobs", job_id: str, tell: Callable[[str], None]) -> "Job":
    """The job as it is now; Redis may be away for a while: the job goes on by itself.

    Raises:
        OperatorError: it stayed away, or has lost the job.
    """
    from redis.exceptions import ReadOnlyError

    from worker.process.fault_names import fault_name
    from worker.store.spread import ELSEWHERE

    ends = time.monotonic() + _AWAY_S
    while True:
        try:
            job = jobs.get(job_id)
        except (*ELSEWHERE, ReadOnlyError, OSError) as fault:
            why = f"Redis does not serve ({fault_name(fault)}); job {job_id} goes on when it does"
            if time.monotonic() >= ends:
                raise OperatorError(f"{why}: relay jobs show {job_id} --wait") from None
            tell(why)
            time.sleep(_LOOK_S)
            continue
        if job is None:
            raise OperatorError(f"Redis has lost the job {job_id}, in a fail-over or a restart: start it again")
        return job


def _follow_lines(jobs: "Jobs", job_id: str, *, quiet: bool) -> "Job":
    told_s, left, changed_s = time.monotonic(), -1, time.monotonic()

    def tell(news: str) -> None:
        nonlocal told_s
        if not quiet and time.monotonic() - told_s > _LINE_EVERY_S:
            told_s = time.monotonic()
            note(news)

    while True:
        job = _look(jobs, job_id, tell)
        now = time.monotonic()
        if job.left != left:
            left, changed_s = job.left, now
        if job.closed:
            return job
        tell(f"{count(job.matched - job.left)} of {count(job.matched)}  {_news(job, now - changed_s)}".rstrip())
        time.sleep(_LOOK_S)


def _follow_bar(jobs: "Jobs", job_id: str) -> "Job":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    job, left, changed_s = _look(jobs, job_id, lambda _: None), -1, time.monotonic()
    name, news = (TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[news]}"))
    with Progress(name, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), news) as progress:
        task = progress.add_task(plain(job_id), total=job.matched, news="")
        while not job.closed:
            now = time.monotonic()
            if job.left != left:
                left, changed_s = job.left, now
            progress.update(task, completed=job.matched - job.left, news=plain(_news(job, now - changed_s)))
            time.sleep(_LOOK_S)
            job = _look(jobs, job_id, lambda news: progress.update(task, news=plain(news)))
        progress.update(task, completed=job.matched - job.left, news="")
    return job
