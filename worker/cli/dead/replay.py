"""`relay dead replay`: say what it would do, ask, start the job, watch it."""

import time
import uuid
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.dead.follow import ending, follow
from worker.cli.dead.jobs import job_row, wake
from worker.cli.dead.options import (
    ALL,
    DRY_RUN,
    JSON,
    YES,
    choose,
    confirm,
    described,
    filters,
    open_parts,
    take_filter,
)
from worker.cli.printing import count, echo_json

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.filters import Filter
    from worker.replay.job import Job
    from worker.replay.survey import Survey

_RATE = 500.0


@click.command()
@click.argument("ids", nargs=-1, metavar="[LETTER]...")
@filters
@ALL
@click.option("--fixed", is_flag=True, help="Only those that pass under the present configuration and code.")
@click.option(
    "--rate", type=click.FloatRange(0), default=_RATE, show_default=True, help="Letters a second; 0: no limit."
)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Watch the job until it ends.")
@YES
@DRY_RUN
@WHY
@BY
@JSON
def dead_replay(
    ids: tuple[str, ...],
    *,
    everything: bool,
    fixed: bool,
    rate: float,
    wait: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Replay LETTERs, or those of a filter: map them again, send them to the one integration that failed.

    Runs as a job of the workers, behind live events; Ctrl-C ends only the watching. ULIDs stay: what did arrive is not
    repeated. Exit 1 when letters failed again or the job was aborted.
    """
    parts = open_parts()
    wanted = take_filter(flags, parts)
    survey, chosen = _survey(parts, ids, wanted, everything, fixed)
    if not as_json:
        for line in told(survey, parts):
            click.echo(line)
    if dry_run or not chosen:
        if as_json:
            echo_json({"survey": survey, "job": None})
        return
    confirm(f"replay {count(len(chosen))} letters?", yes=yes, as_json=as_json)
    meant = described(ids, wanted, everything) + (" --fixed" if fixed else "")
    job = _start(parts, survey, chosen, meant, rate, doer(by))
    record(parts, "dead replay", meant.strip(), by=by, why=message, result=f"{len(chosen)} letters, job {job.id}")
    if not as_json:
        click.echo(f"job {job.id} (relay jobs show {job.id})")
    ended = follow(parts, job.id, quiet=as_json) if wait else job
    if as_json:
        echo_json({"survey": survey, "job": job_row(ended)})
    if wait:
        raise click.exceptions.Exit(ending(ended))


def _survey(
    parts: "Relay", ids: tuple[str, ...], wanted: "Filter", everything: bool, fixed: bool
) -> "tuple[Survey, list[str]]":
    """What a replay would do, and the ids of the letters it is about."""
    from worker.replay.survey import Surveyor

    mappers = {name: parts.mapper(known) for name, known in parts.integrations.integrations.items()}
    now_ms = time.time_ns() // 1_000_000
    surveyor = Surveyor(mappers, parts.streams.states, parts.suppressed.people(), now_ms, fixed=fixed)
    chosen = [letter.id for letter in surveyor.pass_on(choose(parts, ids, wanted, everything))]
    return surveyor.survey, chosen


def _start(parts: "Relay", survey: "Survey", ids: list[str], text: str, rate: float, by: str) -> "Job":
    from worker.replay.job import Job

    job = Job(
        id=f"replay-{uuid.uuid4().hex[:6]}",
        by=by,
        filter=text.strip(),
        integrations=sorted(survey.integrations),
        created_ms=time.time_ns() // 1_000_000,
        rate=rate,
        matched=len(ids),
        left=len(ids),
    )
    parts.jobs.start(job, ids)
    wake(parts, job.id)
    return job


def told(survey: "Survey", parts: "Relay") -> list[str]:
    """What a replay would do, in lines."""
    lines = [
        f"{name} is not in the integrations file any more: its {count(number)} letters cannot be replayed"
        for name, number in survey.orphans.items()
    ]
    if not survey.matched:
        return [*lines, "nothing to replay"]
    where = ", ".join(f"{name} {count(number)}" for name, number in survey.integrations.items())
    lines.append(f"{count(survey.matched)} letters: {where}")
    facts = [
        (survey.sent, "pass the relay's checks and would be sent"),
        (survey.unsure, "are not quite what Customer.io refused, and it did not say which part of them: they may pass"),
        (survey.late, "are older than 72 h: they arrive, but start no campaign"),
        (survey.unknown, "killed their worker: not tried here"),
        (survey.same, "would fail again: Customer.io refused them just as they would be sent now"),
        *((number, f"would fail again: {reason}") for reason, number in survey.dead.items()),
        *((number, f"would be filtered: {reason}") for reason, number in survey.filtered.items()),
    ]
    lines += [f"  {count(number):>9} {message}" for number, message in facts if number]
    newer = "nobody has newer updates"
    if survey.newer:
        newer = f"{count(survey.newer)} of them have newer updates: their properties do not go backwards"
    lines.append(f"{count(survey.people)} people; {newer}")
    for name, hold in parts.holds.get(survey.integrations).items():
        waits = "replaying goes on all the same" if hold.kind == "dead_limit" else "the job waits for its resume"
        lines.append(f"{name} is held ({hold.kind}): {waits}")
    return lines
