"""`relay replay`: retained traffic again, into one integration: say what it would do, ask, start the job, watch it."""

import time
import uuid
from typing import TYPE_CHECKING, cast

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.archive import ARCHIVE
from worker.cli.archive import wanted as archive
from worker.cli.dead.follow import ending, follow
from worker.cli.dead.jobs import job_row, wake
from worker.cli.dead.options import DRY_RUN, JSON, YES, confirm
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, say_lines
from worker.errors import OperatorError

if TYPE_CHECKING:
    from config.integrations import Integration
    from worker.app import Relay
    from worker.history.backfill import Backfill, Only, Plan, Wanted
    from worker.history.scan import Span
    from worker.replay.job import Job
    from worker.store.archive import Archive


@click.command()
@click.option("--integration", "name", required=True, metavar="NAME", help="Send into this integration.")
@click.option("--since", metavar="TIME", help="Received since: 30m, 2h, 3d, or 2026-01-31T08:00 (UTC).")
@click.option("--until", metavar="TIME", help="Received before.")
@click.option("--event", "events", multiple=True, metavar="CODE", help="Only this event code.")
@click.option("--person", default="", metavar="ID", help="Only events that name this person.")
@click.option(
    "--only",
    type=click.Choice(["missing", "shadowed", "all"]),
    default="missing",
    show_default=True,
    help="What was never delivered there and would be now; what was settled in shadow; or both and what was delivered.",
)
@click.option(
    "--rate", type=click.FloatRange(0), default=500.0, show_default=True, help="Events a second; 0: no limit."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Watch the job until it ends.")
@ARCHIVE
@YES
@DRY_RUN
@WHY
@BY
@JSON
def replay(
    name: str,
    *,
    since: str | None,
    until: str | None,
    events: tuple[str, ...],
    person: str,
    only: str,
    rate: float,
    wait: bool,
    with_archive: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Send retained events again: a new integration, a mapping that was repaired, what was filtered by mistake.

    \b
    relay replay --integration production --dry-run
    relay replay --integration production --event RENEWAL_DISABLED --since 2d -m "was off by mistake"

    Runs as a job of the workers, behind live events, in each person's order; Ctrl-C ends only the watching. ULIDs stay:
    what Customer.io has is not repeated. Exit 1 when events failed or the job was aborted.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.history.backfill import Wanted

    parts = open_parts()
    wanted = Wanted(_span(since, until), frozenset(events), person, cast("Only", only))
    work, chosen = _look(parts, name, wanted, archive(parts, with_archive=with_archive))
    plan = work.plan
    if not as_json:
        say_lines(told(plan, name))
    if dry_run or not chosen:
        if as_json:
            echo_json({"plan": plan, "job": None})
        return
    confirm(f"send {count(len(chosen))} events to {name}?", yes=yes, as_json=as_json)
    meant = _described(name, since, until, events, person, only)
    job = _start(parts, name, chosen, work.carried, meant, rate, doer(by))
    record(parts, "replay", meant, by=by, why=message, result=f"{len(chosen)} events, job {job.id}")
    if not as_json:
        say(f"job {job.id} (relay jobs show {job.id})")
    ended = follow(parts, job.id, quiet=as_json) if wait else job
    if as_json:
        echo_json({"plan": plan, "job": job_row(ended)})
    if wait:
        raise click.exceptions.Exit(ending(ended))


def refuse_in_shadow(integration: "Integration") -> None:
    """Refuse to start a job that could send nothing.

    Raises:
        OperatorError: the integration is in shadow.
    """
    if not integration.send:
        raise OperatorError(f"{integration.name} is in shadow and sends nothing; first put send = true in force")


def told(plan: "Plan", name: str) -> list[str]:
    """What a replay would do, in lines whose figures add up."""
    if not plan.matched:
        return ["no retained event matches"]
    lines = [f"{count(plan.matched)} retained events match; {name}:"]
    again = f" ({count(plan.delivered)} of them again: Customer.io keeps the first)" if plan.delivered else ""
    facts = [
        (plan.would_send, f"would be sent, to {count(plan.people)} people{again}"),
        (plan.already, "were delivered already"),
        (plan.shadowed, "were settled in shadow, while another sender delivered them (--only shadowed takes them)"),
        (plan.waiting, "wait, and are delivered by themselves"),
        *((number, f"would be filtered: {reason}") for reason, number in sorted(plan.filtered.items())),
        *((number, f"would fail: {reason}") for reason, number in sorted(plan.failing.items())),
    ]
    lines += [f"  {count(number):>9}  {message}" for number, message in facts if number]
    if plan.late:
        lines.append(
            f"Note: {count(plan.late)} of those that would be sent are older than 72 h: they start no campaign."
        )
    return lines


def _look(parts: "Relay", name: str, wanted: "Wanted", archived: "Archive | None") -> "tuple[Backfill, list[str]]":
    """What a replay would do, and the ids of the events it is about.

    Raises:
        click.UsageError: there is no such integration.
    """
    from worker.dead.fates import Fates
    from worker.history.archive import ArchivedFates, ArchivedScan
    from worker.history.backfill import Backfill
    from worker.history.scan import Scan

    known = parts.integrations.integrations.get(name)
    if known is None:
        there = ", ".join(parts.integrations.integrations) or "none"
        raise click.UsageError(f"no integration {name!r}; there are: {there}")
    refuse_in_shadow(known)
    suppressed = parts.suppressed.people()
    scan, fates = Scan(parts.redis), Fates(parts.redis)
    if archived is not None:
        scan = archived_scan = ArchivedScan(parts.redis, archived)
        fates = ArchivedFates(parts.redis, archived_scan)
    work = Backfill(scan, fates, parts.mapper(known), suppressed, wanted)
    return work, list(work.chosen(lane for lane in parts.lanes() if lane.integration == name))


def _start(
    parts: "Relay", name: str, ids: list[str], carried: dict[str, bytes], text: str, rate: float, by: str
) -> "Job":
    from worker.replay.job import Job

    job = Job(
        id=f"replay-{uuid.uuid4().hex[:6]}",
        by=by,
        filter=text,
        integrations=[name],
        created_ms=time.time_ns() // 1_000_000,
        rate=rate,
        matched=len(ids),
        left=len(ids),
        kind="events",
    )
    parts.jobs.start(job, ids, carried)
    wake(parts, job.id)
    return job


def _span(since: str | None, until: str | None) -> "Span":
    from worker.dead.filters import read_time_ms
    from worker.history.scan import Span

    now_ms = time.time_ns() // 1_000_000
    try:
        return Span(read_time_ms(since, now_ms) if since else None, read_time_ms(until, now_ms) - 1 if until else None)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _described(name: str, since: str | None, until: str | None, events: tuple[str, ...], person: str, only: str) -> str:
    words = [f"--integration {name}", f"--only {only}"]
    words += [f"--{option} {value}" for option, value in (("since", since), ("until", until)) if value]
    words += [f"--event {event}" for event in events]
    return " ".join([*words, "--person (one)"] if person else words)
