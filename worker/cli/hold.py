"""`relay hold` and `relay resume`: an operator's word on whether an integration delivers."""

import time
from typing import TYPE_CHECKING

import click

from worker.cli.acting import BY, WHY, record
from worker.cli.printing import echo_json, say, several
from worker.errors import OperatorError

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.store.stream import Lane

_MESSAGE_LIMIT = 300


@click.command()
@click.argument("integration")
@click.option("--message", "-m", default="", metavar="TEXT", help="Why; `relay status` shows it.")
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def hold(integration: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Hold INTEGRATION: its events wait, in order, until `relay resume`. No probe ends it.

    What is being delivered at the moment is finished first: seconds at most.
    """
    parts = _parts(integration)
    parts.holds.hold(integration, "operator", time.time_ns() // 1_000_000, message=message[:_MESSAGE_LIMIT])
    record(parts, "hold", integration, by=by, why=message, result="held")
    if as_json:
        echo_json({"integration": integration, "held": True})
    else:
        say(f"{integration} is held; `relay resume {integration}` ends it")


@click.command()
@click.argument("integration")
@WHY
@BY
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def resume(integration: str, message: str, by: str | None, *, as_json: bool) -> None:
    """Resume INTEGRATION, whatever holds it: its events are sent at once, in order.

    Exit 1 when it was not held.
    """
    from worker.tasks import wake

    parts = _parts(integration)
    held = parts.holds.resume(integration)
    record(parts, "resume", integration, by=by, why=message, result="resumed" if held else "was not held")
    lanes = _mark_backlogs(parts, integration)
    told = [wake(lane.integration, lane.shard) for lane in lanes]
    if as_json:
        echo_json({"integration": integration, "was_held": held, "woken": sum(told)})
    else:
        late = "" if all(told) else "; the broker did not take every wake-up, the next sweep will"
        backlog = several(len(lanes), "shard")
        say(f"{integration} {'is resumed' if held else 'was not held'}; {backlog} with a backlog{late}")
    if not held:
        raise click.exceptions.Exit(1)


def _mark_backlogs(parts: "Relay", integration: str) -> "list[Lane]":
    """The lanes to wake, marked as woken. A mark that a hold left on an empty one would cost the next event its own."""
    from worker.store.stream import WAKE_MS
    from worker.upkeep.rounds import Rounds

    found = [
        backlog
        for backlog in Rounds(parts).backlogs()
        if backlog.lane.integration == integration and not backlog.leased
    ]
    for backlog in found:
        if backlog.waiting:
            parts.redis.set(backlog.lane.key("wake"), "1", px=WAKE_MS)
        else:
            parts.redis.delete(backlog.lane.key("wake"))
    return [backlog.lane for backlog in found if backlog.waiting]


def _parts(integration: str) -> "Relay":
    """The relay's parts, once the name is known to be right."""
    from worker.cli.parts import open_parts

    parts = open_parts()
    if integration not in parts.integrations.integrations:
        names = ", ".join(parts.integrations.integrations) or "none"
        raise OperatorError(f"no integration is called {integration}; there are: {names}")
    return parts
