"""`relay dead replay`: say what it would do, ask, start the job, watch it."""

import time
import uuid
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.dead.choice import choose
from worker.cli.dead.follow import ending, follow
from worker.cli.dead.jobs import job_row, wake
from worker.cli.dead.options import (
    ALL,
    DRY_RUN,
    JSON,
    YES,
    confirm,
    filters,
)
from worker.cli.dead.plan import plan
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json, say, several, terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.app import Relay
    from worker.dead.letter import Letter
    from worker.replay.job import Job
    from worker.replay.survey import Survey

_RATE = 500.0


@click.command()
@click.argument("ids", nargs=-1, metavar="[GROUP|LETTER]...")
@filters
@ALL
@click.option("--fixed", is_flag=True, help="Only those that pass under the present configuration and code.")
@click.option("--include-failing", "failing", is_flag=True, help="Also those that are known to fail again.")
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
    failing: bool,
    rate: float,
    wait: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Replay LETTERs, or those of a group or filter: map them again, send them to the one integration that failed.

    Letters that are known to fail again are left out. Runs as a job of the workers, behind live events; Ctrl-C ends
    only the watching. ULIDs stay: what did arrive is not repeated. Exit 1 when letters failed again or the job was
    aborted.
    """
    if fixed and failing:
        raise click.UsageError("--fixed leaves out what --include-failing takes in: give one of them")
    parts = open_parts()
    choice = choose(parts, ids, flags, everything=everything)
    survey, chosen = _survey(parts, choice.find(), fixed=fixed, failing=failing)
    if not as_json:
        holds = parts.holds.get(survey.integrations)
        for line in plan(survey, len(chosen), holds, " ".join(ids) or choice.text, terminal_width()):
            say(line)
    if dry_run or not chosen:
        if as_json:
            echo_json({"survey": survey, "job": None})
        return
    confirm(f"replay {several(len(chosen), 'letter')}?", yes=yes, as_json=as_json)
    meant = choice.text + " --fixed" * fixed + " --include-failing" * failing
    job = _start(parts, survey, chosen, meant, rate, doer(by))
    record(
        parts,
        "dead replay",
        meant.strip(),
        by=by,
        why=message,
        result=f"{several(len(chosen), 'letter')}, job {job.id}",
    )
    if not as_json:
        say(f"job {job.id} (relay jobs show {job.id})")
    ended = follow(parts, job.id, quiet=as_json) if wait else job
    if as_json:
        echo_json({"survey": survey, "job": job_row(ended)})
    if wait:
        raise click.exceptions.Exit(ending(ended))


def _survey(parts: "Relay", letters: "Iterable[Letter]", *, fixed: bool, failing: bool) -> "tuple[Survey, list[str]]":
    """What a replay would do, and the ids of the letters it would try."""
    from worker.replay.survey import Surveyor

    mappers = {name: parts.mapper(known) for name, known in parts.integrations.integrations.items()}
    now_ms = time.time_ns() // 1_000_000
    suppressed = parts.suppressed.people()
    surveyor = Surveyor(mappers, parts.streams.states, suppressed, now_ms, fixed=fixed, failing=failing)
    chosen = [letter.id for letter in surveyor.pass_on(letters)]
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
