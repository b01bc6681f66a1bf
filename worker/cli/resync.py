"""`relay resync`: send the properties of all known people to one integration again, as a job."""

from typing import TYPE_CHECKING

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.dead.options import DRY_RUN, JSON, YES
from worker.cli.integrations import one_integration
from worker.cli.parts import open_parts
from worker.cli.printing import count, say_hanging, several
from worker.cli.progress import busy
from worker.cli.running import WAIT, Running

if TYPE_CHECKING:
    from worker.history.people import Known


@click.command()
@one_integration("Send to this integration.")
@click.option("--person", default="", metavar="ID", help="Only this person.")
@click.option(
    "--rate", type=click.FloatRange(0), default=500.0, show_default=True, help="People a second; 0: no limit."
)
@WAIT
@YES
@DRY_RUN
@WHY
@BY
@JSON
def resync(
    name: str,
    *,
    person: str,
    rate: float,
    wait: bool,
    yes: bool,
    dry_run: bool,
    message: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Send the properties of all known people again: after a property was switched on, or into a new workspace.

    \b
    relay resync --integration production --dry-run
    relay resync --integration production --person customer-0101

    No event is sent. Runs as a job of the workers, behind live events; Ctrl-C ends only the watching.
    """  # noqa: D301 - click's mark for lines that are not to be wrapped
    from worker.acts.named import named_integration
    from worker.acts.replaying import refuse_in_shadow
    from worker.acts.replaying import resync as resync_people
    from worker.history.people import known_people
    from worker.store.actions import discreet

    parts = open_parts()
    integration = named_integration(parts, name)
    refuse_in_shadow(integration)
    with busy("reading who is known", quiet=as_json):
        silent = parts.suppressed.people()
        known = known_people(parts.redis, integration, parts.settings.shards, silent, person)
    if not as_json:
        say_hanging(told(known, name))
    meant = f"--integration {name}" + (f" --person ({discreet(person)})" if person else "")
    question = f"send {name} the properties of {several(known.people, 'person', 'people')}?"
    running = Running(
        dry_run,
        yes,
        wait,
        as_json,
        {"people": known.people, "nameless": known.nameless, "suppressed": known.suppressed},
    )
    doer = acting(by, message)
    running.run(parts.jobs, known.people, question, lambda: resync_people(parts, name, known, meant, rate, doer))


def told(known: "Known", name: str) -> list[str]:
    """Who would be identified again, in lines."""
    if not known.people and not known.nameless and not known.suppressed:
        return [f"{name} knows nobody yet: its people are learnt from events"]
    lines = [
        f"{several(known.people, 'person', 'people')} to identify in {name}, with all properties; no event is sent"
    ]
    if known.suppressed:
        left_out = several(known.suppressed, "suppressed person", "suppressed people")
        lines.append(f"{left_out} left out: nothing is sent about them")
    if known.nameless:
        lines.append(
            f"{count(known.nameless)} more cannot: their state is of an older release and does not say who they are; "
            "their next event does"
        )
    return lines
