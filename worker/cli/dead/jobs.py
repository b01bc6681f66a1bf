"""`relay jobs`: the replays under way and those of the past; pause, resume, abort."""

import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.columns import columns
from worker.cli.dead.follow import ending, find_job, follow, outcome
from worker.cli.dead.options import JSON
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, span

if TYPE_CHECKING:
    from worker.replay.job import Job, JobState


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def jobs(ctx: click.Context, /, *, as_json: bool) -> None:
    """List replay jobs, show one, pause, resume or abort it."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(jobs_list, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"--json goes after the command: relay jobs {ctx.invoked_subcommand} --json")


@jobs.command("list")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Jobs on a page.")
@click.option("--next", "cursor", type=int, metavar="CURSOR", help="The page after this cursor.")
@JSON
def jobs_list(*, limit: int = 20, cursor: int | None = None, as_json: bool = False) -> None:
    """List jobs, the newest first."""
    found = open_parts().jobs.page(limit, cursor)
    following = found[-1].created_ms if len(found) == limit else None
    if as_json:
        echo_json({"items": [job_row(job) for job in found], "next": None if following is None else str(following)})
        return
    now_ms = time.time_ns() // 1_000_000
    rows = [["job", "state", "by", "started", "done", "of", "failed again", "filter"]]
    rows += [
        [
            job.id,
            job.state,
            job.by,
            f"{span(now_ms - job.created_ms)} ago",
            count(job.matched - job.left),
            count(job.matched),
            count(job.counts.get("dead", 0)),
            job.filter or "-",
        ]
        for job in found
    ]
    for line in columns(rows, right=[4, 5, 6]) if found else ["no job was ever started"]:
        say(line)
    if following:
        say()
        say(f"more: add --next {following}")


@jobs.command("show")
@click.argument("job_id", metavar="JOB")
@click.option(
    "--wait", is_flag=True, help="Watch it until it ends; exit 1 when letters failed again or it was aborted."
)
@JSON
def jobs_show(job_id: str, *, wait: bool, as_json: bool) -> None:
    """Show JOB."""
    parts = open_parts()
    job = find_job(parts.jobs, job_id)
    if wait:
        job = follow(parts.jobs, job_id, quiet=as_json)
    if as_json:
        echo_json(job_row(job))
    elif not wait:
        for name, text in _facts(job):
            say(f"{name:<13}{text}")
    if wait:
        raise click.exceptions.Exit(ending(job))


@jobs.command("pause")
@click.argument("job_id", metavar="JOB")
@WHY
@BY
@JSON
def jobs_pause(job_id: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Pause JOB: the request under way is finished, the rest waits until it is resumed."""
    _move(job_id, "paused", as_json, by, message)


@jobs.command("resume")
@click.argument("job_id", metavar="JOB")
@WHY
@BY
@JSON
def jobs_resume(job_id: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Resume JOB."""
    _move(job_id, "running", as_json, by, message)


@jobs.command("abort")
@click.argument("job_id", metavar="JOB")
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


def job_row(job: "Job") -> dict[str, Any]:
    """A job as JSON."""
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(job)
    for inner in ("due_ms", "behind_since_ms", "closed"):
        del row[inner]
    return row


def _facts(job: "Job") -> list[tuple[str, str]]:
    from worker.mapping.attributes import iso_time

    facts = [
        ("job", job.id),
        ("state", job.state + (f", waiting: {job.message}" if job.message and job.state == "running" else "")),
        ("by", job.by),
        ("filter", job.filter or "-"),
        ("integrations", ", ".join(job.integrations)),
        ("started", iso_time(job.created_ms)),
        ("rate", f"{job.rate:g} letters/s" if job.rate else "no limit"),
        ("matched", count(job.matched)),
        ("left", count(job.left)),
        ("outcome", outcome(job)),
    ]
    if job.ended_ms:
        facts.insert(6, ("ended", f"{iso_time(job.ended_ms)}, after {span(job.ended_ms - job.created_ms)}"))
    return facts
