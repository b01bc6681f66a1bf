"""`relay alerts`: what needs somebody, and whether its targets can be reached."""

import sys
from typing import TYPE_CHECKING

import click

from worker.cli.printing import echo_json, say, say_hanging

if TYPE_CHECKING:
    from worker.ledger.need import Need


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def alerts(ctx: click.Context, *, as_json: bool) -> None:
    """Show what needs somebody, the urgent first; exit 1 when anything does.

    With RELAY_ALERT_URLS the same is sent to people: at once, after an hour, after a day, and when it is over.
    """
    if ctx.invoked_subcommand is None:
        _show(as_json=as_json)


def _show(*, as_json: bool) -> None:
    from worker.cli.parts import open_parts
    from worker.ledger.figures import Ledger

    found = Ledger(open_parts()).needs()
    if as_json:
        echo_json({"items": found, "next": None})
    elif not found:
        say("nothing needs anybody", fg="green")
    for need in () if as_json else found:
        _say(need)
    sys.exit(1 if found else 0)


def _say(need: "Need") -> None:
    say_hanging(need.message, fg="red" if need.urgent else "yellow")
    say_hanging(f"  {need.advice}", under=0)


@alerts.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(*, as_json: bool) -> None:
    """Send a test message to every target of RELAY_ALERT_URLS; exit 1 when one does not take it."""
    from worker.alerts.targets import PATIENCE_S, Message, read_targets, send
    from worker.app import read_settings
    from worker.errors import OperatorError

    chosen = read_settings()
    targets = read_targets(chosen.alert_urls.get_secret_value())
    if not targets:
        raise OperatorError(
            "RELAY_ALERT_URLS is not set; write addresses of apprise, like slack://TOKEN/#channel or "
            "mailto://user:password@example.com, separated by spaces"
        )
    message = Message(f"{chosen.alert_name}: a test", "This is a test of the relay's alerts. Nothing is wrong.", "info")
    outcomes = send([(target, message) for target in targets])
    rows = [{"target": target.name, "outcome": outcome} for target, outcome in zip(targets, outcomes, strict=True)]
    if as_json:
        echo_json({"items": rows, "next": None})
    for row in () if as_json else rows:
        said = f"did not answer within {PATIENCE_S:.0f} s" if row["outcome"] == "too slow" else row["outcome"]
        say(f"{row['target']}: {said}", fg="green" if row["outcome"] == "sent" else "red")
    sys.exit(0 if set(outcomes) == {"sent"} else 1)
