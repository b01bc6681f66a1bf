"""`relay dead replay`: say what it would do, ask, start the job, watch it."""

import time
import uuid
from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, doer, record
from worker.cli.columns import columns
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
    take_filter,
)
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, several

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from worker.app import Relay
    from worker.dead.letter import Letter
    from worker.replay.job import Job
    from worker.replay.survey import Survey

_RATE = 500.0


@click.command()
@click.argument("ids", nargs=-1, metavar="[LETTER]...")
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
    """Replay LETTERs, or those of a filter: map them again, send them to the one integration that failed.

    Letters that are known to fail again are left out. Runs as a job of the workers, behind live events; Ctrl-C ends
    only the watching. ULIDs stay: what did arrive is not repeated. Exit 1 when letters failed again or the job was
    aborted.
    """
    if fixed and failing:
        raise click.UsageError("--fixed leaves out what --include-failing takes in: give one of them")
    parts = open_parts()
    wanted = take_filter(flags, parts)
    survey, chosen = _survey(parts, choose(parts, ids, wanted, everything), fixed=fixed, failing=failing)
    if not as_json:
        for line in plan(survey, len(chosen), parts):
            say(line)
    if dry_run or not chosen:
        if as_json:
            echo_json({"survey": survey, "job": None})
        return
    confirm(f"replay {several(len(chosen), 'letter')}?", yes=yes, as_json=as_json)
    meant = described(ids, wanted, everything) + " --fixed" * fixed + " --include-failing" * failing
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


def plan(survey: "Survey", chosen: int, parts: "Relay") -> list[str]:
    """What a replay would do, in lines: outcomes that add up, then remarks."""
    lines = [
        f"{name} is not in the integrations file any more: its {several(number, 'letter')} cannot be replayed"
        for name, number in survey.orphans.items()
    ]
    if survey.matched:
        where = ", ".join(f"{name} {count(number)}" for name, number in survey.integrations.items())
        people = several(survey.people, "person", "people")
        lines += [f"{several(survey.matched, 'letter')}: {where}; {people}", *columns(_outcomes(survey), right=[1])]
        lines += [f"note: {remark}" for remark in _remarks(survey, parts)]
    if not chosen:
        lines.append("nothing to replay" + (" (--include-failing tries all the same)" if survey.again else ""))
    return lines


def _outcomes(survey: "Survey") -> list[list[str]]:
    """What would become of the letters: every letter in one row."""
    rows = [
        (survey.sent, "would pass", ""),
        (survey.unsure, "may pass", "something has changed, and Customer.io did not say which part it refused"),
        (survey.unknown, "not tried here", "they crashed their worker"),
        (survey.same, "would fail again", "sent just as Customer.io refused them"),
        *((number, "would fail again", reason) for reason, number in survey.dead.items()),
        *((number, "would be filtered", reason) for reason, number in survey.filtered.items()),
    ]
    return [[f"  {message}", count(number), why] for number, message, why in rows if number or message == "would pass"]


def _remarks(survey: "Survey", parts: "Relay") -> "Iterator[str]":
    if survey.late:
        late = f"all {count(survey.late)}" if survey.late == survey.matched else f"{count(survey.late)} of them"
        yield f"{late} are older than 72 h: what arrives starts no campaign"
    if survey.newer:
        yield f"{several(survey.newer, 'person', 'people')} with newer updates: their properties do not go backwards"
    for name, hold in parts.holds.get(survey.integrations).items():
        waits = "replaying goes on all the same" if hold.kind == "dead_limit" else "the job waits for its resume"
        yield f"{name} is held ({hold.kind}): {waits}"
