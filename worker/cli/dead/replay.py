"""`relay dead replay`: say what it would do, ask, start the job, watch it."""

from typing import Any

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.choice import choose
from worker.cli.dead.options import ALL, DRY_RUN, JSON, LETTERS, YES, filters
from worker.cli.dead.plan import plan
from worker.cli.parts import open_parts
from worker.cli.printing import say_lines, several, terminal_width
from worker.cli.progress import counted
from worker.cli.running import WAIT, Running

_RATE = 500.0


@click.command()
@LETTERS
@filters
@ALL
@click.option("--fixed", is_flag=True, help="Only those that pass under the present configuration and code.")
@click.option("--include-failing", "failing", is_flag=True, help="Also those that are known to fail again.")
@click.option(
    "--rate", type=click.FloatRange(0), default=_RATE, show_default=True, help="Letters a second; 0: no limit."
)
@WAIT
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
    from worker.acts.replaying import replay_letters, survey_letters

    if fixed and failing:
        raise click.UsageError("--fixed leaves out what --include-failing takes in: give one of them")
    parts = open_parts()
    choice = choose(parts, ids, flags, everything=everything)
    survey, chosen = survey_letters(
        parts, counted(choice.find(), "letters", quiet=as_json), fixed=fixed, failing=failing
    )
    if not as_json:
        holds = parts.holds.get(survey.integrations)
        say_lines(plan(survey, len(chosen.ids), holds, choice.typed_of, terminal_width()))
    meant = (choice.text + " --fixed" * fixed + " --include-failing" * failing).strip()
    running = Running(dry_run, yes, wait, as_json, survey, "survey")
    doer, question = acting(by, message), f"replay {several(len(chosen.ids), 'letter')}?"
    running.run(parts.jobs, len(chosen.ids), question, lambda: replay_letters(parts, survey, chosen, meant, rate, doer))
