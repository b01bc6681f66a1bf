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
    "send": ("send", "Post events from a file or standard input, as an upstream service would."),
    "dead": ("dead", "List, show and replay dead letters."),
    "simulate": ("simulate", "Run a local Customer.io that shows what arrives."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called, so that `relay --help` starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if ctx.resilient_parsing or _is_overview(ctx):
            return click.Command(cmd_name, help=_COMMANDS[cmd_name][1])
        module = importlib.import_module(f"worker.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command


def _is_overview(ctx: click.Context) -> bool:
    """Whether only the list of commands is shown."""
    return ctx.invoked_subcommand is None and not ctx._protected_args  # noqa: SLF001 - click names no other way


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
