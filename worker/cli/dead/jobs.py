"""`relay jobs`: the jobs under way and those of the past; pause, resume, abort."""

import time
from typing import TYPE_CHECKING

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.completing import JOBS
from worker.cli.dead.follow import ending, find_job, follow
from worker.cli.dead.jobs_table import facts, failed_again, job_row, table
from worker.cli.dead.options import JSON
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json, say, say_hanging, say_lines, terminal_width
from worker.cli.watching import EVERY, WATCH, Rates, repeat, show_lines

if TYPE_CHECKING:
    from worker.dead.letter import Letter
    from worker.dead.letters import DeadLetters
    from worker.replay.job import Job, JobState

_FAILED_SHOWN = 10


@click.group(invoke_without_command=True)
@WATCH
@EVERY
@JSON
@click.pass_context
def jobs(ctx: click.Context, /, *, watch: bool, every_s: float, as_json: bool) -> None:
    """List jobs (replays, resyncs, edits), show one, pause, resume or abort it.

    \b
    relay jobs --watch
    relay jobs show replay-1a2b3c
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    if ctx.invoked_subcommand is None:
        ctx.invoke(jobs_list, watch=watch, every_s=every_s, as_json=as_json)
        return
    for name in ctx.params:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"options go after the command: relay jobs {ctx.invoked_subcommand} …")


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Jobs on a page.")
@click.option("--next", "cursor", type=int, metavar="CURSOR", help="The page after this cursor.")
@WATCH
@EVERY
@JSON
def jobs_list(
    *,
    limit: int = 20,
    cursor: int | None = None,
    watch: bool = False,
    every_s: float = 2.0,
    as_json: bool = False,
) -> None:
    """List jobs, the newest first."""
    every_s, rates, known = every_s if watch else 0, Rates(), open_parts().jobs

    def tell() -> None:
        found = known.page(limit, cursor)
        echo_json({"items": [job_row(job) for job in found], "next": _following(found, limit)})

    def draw(width: int) -> list[str]:
        found = known.page(limit, cursor)
        new = rates.of({job.id: (job.matched - job.left,) for job in found})
        more = _following(found, limit)
        return [
            *table(found, time.time_ns() // 1_000_000, width, new),
            *(["", f"more: relay jobs list --limit {limit} --next {more}"] if more else []),
        ]

    if as_json:
        repeat(tell, every_s)
    else:
        show_lines(draw, every_s)


def _following(found: "list[Job]", limit: int) -> str | None:
    """The cursor of the page after a full one."""
    return str(found[-1].created_ms) if len(found) == limit else None


@jobs.command("show")
@click.argument("job_id", metavar="JOB", shell_complete=JOBS)
@click.option(
    "--wait", is_flag=True, help="Watch it until it ends; exit 1 when letters failed again or it was aborted."
)
@JSON
def jobs_show(job_id: str, *, wait: bool, as_json: bool) -> None:
    """Show JOB, and the letters that failed in it again.

    \b
    relay jobs show replay-1a2b3c --wait
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    parts = open_parts()
    job = find_job(parts.jobs, job_id)
    if wait:
        job = follow(parts.jobs, job_id, quiet=as_json)
    failed, more = _failed(parts.dead_letters, job)
    if as_json:
        echo_json(job_row(job) | {"failed_again": [letter.id for letter in failed]})
    elif not wait:
        for name, text in facts(job):
            say_hanging(f"{name:<13}{text}", under=13)
    if failed and not as_json:
        say("failed again:")
        say_lines(f"  {line}" for line in failed_again(failed, terminal_width() - 2))
        say(f"next: relay dead show {failed[0].id}")
        if more:
            say(f"all:  relay dead list --job {job.id}")
    if wait:
        raise click.exceptions.Exit(ending(job))


def _failed(letters: "DeadLetters", job: "Job") -> "tuple[list[Letter], bool]":
    """The letters that failed in a job again, the last ones first, and whether there are more."""
    from worker.dead.filters import Filter

    if not job.counts.get("dead"):
        return [], False
    wanted = Filter(job=job.id, since_ms=job.created_ms)
    found, following = letters.page(job.integrations, wanted, _FAILED_SHOWN)
    return found, following is not None


@jobs.command("pause")
@click.argument("job_id", metavar="JOB", shell_complete=JOBS)
@WHY
@BY
@JSON
def jobs_pause(job_id: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Pause JOB: the request under way is finished, the rest waits until it is resumed."""
    _move(job_id, "paused", as_json, by, message)


@jobs.command("resume")
@click.argument("job_id", metavar="JOB", shell_complete=JOBS)
@WHY
@BY
@JSON
def jobs_resume(job_id: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Resume JOB."""
    _move(job_id, "running", as_json, by, message)


@jobs.command("abort")
@click.argument("job_id", metavar="JOB", shell_complete=JOBS)
@WHY
@BY
@JSON
def jobs_abort(job_id: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Abort JOB: what is left of it stays with the dead letters."""
    _move(job_id, "aborted", as_json, by, message)


def _move(job_id: str, state: "JobState", as_json: bool, by: str | None, why: str) -> None:
    from worker.acts.replaying import move_job

    parts = open_parts()
    now = move_job(parts, find_job(parts.jobs, job_id).id, state, acting(by, why))
    if as_json:
        echo_json(job_row(find_job(parts.jobs, job_id)))
    else:
        say(f"{job_id} is {now}")
    if now != state:
        raise click.exceptions.Exit(1)
