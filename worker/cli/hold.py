"""`relay hold` and `relay resume`: an operator's word on whether an integration delivers."""

from typing import TYPE_CHECKING, Any

import click

from worker.cli.acting import BY, WHY, acting
from worker.cli.completing import INTEGRATIONS
from worker.cli.printing import echo_json, say, several

if TYPE_CHECKING:
    from worker.acts.record import Doer
    from worker.app import Relay


@click.command()
@click.argument("integration", shell_complete=INTEGRATIONS)
@click.option("--message", "-m", default="", metavar="TEXT", help="Why; `relay status` shows it.")
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def hold(integration: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Hold INTEGRATION: its events wait, in order, until `relay resume`. No probe ends it.

    What is being delivered at the moment is finished first: seconds at most.
    """
    from worker.acts.holding import hold as hold_integration
    from worker.cli.parts import open_parts

    copied = hold_integration(open_parts(), integration, acting(by, message))
    if as_json:
        echo_json({"integration": integration, "held": True, "copied": copied})
    else:
        say(f"{integration} is held; `relay resume {integration}` ends it{_undone(copied=copied)}")


@click.command()
@click.argument("integration", shell_complete=INTEGRATIONS)
@click.option("--rebuild", "rebuilds", is_flag=True, help="First make damaged states of people again from kept events.")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resume(integration: str, message: str, by: str | None, *, rebuilds: bool, as_json: bool) -> None:
    """Resume INTEGRATION, whatever holds it: its events are sent at once, in order.

    Exit 1 when it was not held.
    """
    from worker.acts.holding import resume as resume_integration
    from worker.cli.parts import open_parts

    parts, doer = open_parts(), acting(by, message)
    rebuilt = _rebuild(parts, integration, doer, as_json=as_json) if rebuilds else {}
    has_rebuilt = bool(rebuilt.get("rebuilt"))
    done = resume_integration(parts, integration, doer)
    held = done.was_held
    if as_json:
        echo_json({"integration": integration, "was_held": held, "woken": done.woken, "copied": done.copied, **rebuilt})
    else:
        late = "" if done.woken == done.backlogs else "; the broker did not take every wake-up, the next sweep will"
        backlog = f"{several(done.backlogs, 'shard')} with a backlog" if done.backlogs else "nothing waits"
        say(f"{integration} {'is resumed' if held else 'was not held'}; {backlog}{late}{_undone(copied=done.copied)}")
    if not held and not has_rebuilt:  # what waits for nothing else, a probe may have resumed by then
        raise click.exceptions.Exit(1)


def _undone(*, copied: bool) -> str:
    """What is said when no replica has what was done yet."""
    return "" if copied else "; no replica of Redis has this yet: after a fail-over look at `relay status`"


def _rebuild(parts: "Relay", integration: str, doer: "Doer", *, as_json: bool) -> dict[str, Any]:
    """Make what is damaged again, say of what, and return it as JSON has it."""
    import msgspec

    from worker.acts.rebuilding import rebuild

    done = rebuild(parts, integration, doer)
    built: dict[str, Any] = msgspec.to_builtins(done)
    if as_json:
        return built
    for one in done.rebuilt:
        made = f"made again from {several(one.events, 'kept event')}"
        say(f"shard {one.shard}, state {one.state}: {made if one.events else 'no event of theirs is kept, so deleted'}")
    if not done.rebuilt:
        say(f"no state of {integration} is damaged")
    if done.newer:
        say(f"{several(done.newer, 'state')} of a newer release left: run that release")
    return built
