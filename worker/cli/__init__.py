"""The commands of ops and on-call."""

import importlib
import sys

import click

from worker.errors import OperatorError

# name -> (module, what `relay --help` says): a command's module is imported only when it runs
_COMMANDS = {
    "demo": ("demo", "Run everything on this machine with sample events, and show that the books balance."),
    "up": ("up", "Run web, worker and beat in the foreground, with an embedded Valkey if no Redis is set."),
    "check": ("check", "Validate the integrations file, the keys and regions, and the server."),
    "status": ("status", "Show each integration: live or held, waiting, delivered, filtered, dead."),
    "audit": ("audit", "Compare the books with what Redis itself counts."),
    "hold": ("hold", "Hold an integration: its events wait, in order, until it is resumed."),
    "resume": ("hold", "End the hold of an integration; what waited is delivered at once."),
    "send": ("send", "Post events from a file or standard input, as an upstream service would."),
    "dead": ("dead", "Show what could not be delivered, by cause; list, show, replay, edit, discard, export."),
    "jobs": ("jobs", "Show the replays under way and those of the past; pause, resume, abort."),
    "explain": ("explain", "Show what happens to an event, stage by stage, and why."),
    "suppress": ("suppress", "Send nothing about a person."),
    "forget": ("forget", "Remove a person from everything the relay keeps."),
    "simulate": ("simulate", "Run a local Customer.io that shows what arrives."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called, so that `relay --help` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"worker.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="purchasely-customerio-relay")
def relay() -> None:
    """Relay Purchasely's server events to Customer.io."""


def main() -> None:
    """The console command: exit 0 done, 1 found something wrong, 2 used or set up wrongly."""
    try:
        relay(prog_name="relay")
    except OperatorError as error:
        click.echo(f"relay: {error}", err=True)
        sys.exit(2)
    except Exception as fault:
        # redis is imported only by commands that speak to it
        if not type(fault).__module__.startswith("redis."):
            raise
        click.echo(
            f"relay: Redis does not serve ({type(fault).__name__}); is it running? `relay check` says more", err=True
        )
        sys.exit(2)
