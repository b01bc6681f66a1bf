"""The commands of ops and on-call."""

import atexit
import gc
import os
import sys

import click

from worker.cli.lazy import LazyGroup
from worker.cli.printing import say
from worker.cli.streams import has_no_room, prepare_streams
from worker.errors import ArchiveError, OperatorError

# Help is as wide as the terminal; lines that are longer than this are hard to read.
_WIDEST = 140
# Most of what a command's imports make stays: to look through it for garbage at each 700 objects is a tenth of a short
# command's time.
_OBJECTS_BEFORE_GARBAGE = 50_000
# name -> what `relay --help` says
_COMMANDS = {
    "init": "Write an integrations file to begin with, from a few questions.",
    "demo": "Run everything on this machine with sample events, and show that the books balance.",
    "up": "Run web, worker and beat in the foreground, with an embedded Valkey if no Redis is set.",
    "web": "Run the web door alone, as the Procfile does.",
    "worker": "Run a worker alone, as the Procfile does.",
    "beat": "Run beat alone, as the Procfile does.",
    "console": "Run the web console alone, as the Procfile does; `console link` lets somebody in.",
    "check": "Validate the integrations file, the keys and regions, and the server.",
    "status": "Show each integration: live or held, what came and was sent lately, what waits, what failed.",
    "audit": "Compare the books with what Redis itself counts.",
    "alerts": "Show what needs somebody; send a test to the targets of RELAY_ALERT_URLS.",
    "config": "See and change the configuration in force: plan, apply, show, log, diff, export, rollback, reseal.",
    "actions": "Show what people did: who, what, when and why.",
    "seal": "Seal a secret, so that it can be written in the integrations file.",
    "hold": "Hold an integration: its events wait, in order, until it is resumed.",
    "resume": "End the hold of an integration; what waited is delivered at once.",
    "send": "Post events from a file or standard input, as an upstream service would.",
    "compare": "Compare what an integration sent, or would have sent, with an export of Customer.io's events.",
    "dead": "Show what could not be delivered, by what has to be fixed; list, show, replay, edit, discard, export.",
    "jobs": "Show the replays, resyncs and edits under way and those of the past; pause, resume, abort.",
    "trace": "Say what became of an event, in every integration.",
    "person": "Show the timeline of a person, and their properties with the event that gave each.",
    "replay": "Send retained events again, into one integration.",
    "resync": "Send the properties of all known people to an integration again.",
    "reshard": "Spread events over more shards, while the relay runs.",
    "explain": "Show what happens to an event, stage by stage, and why.",
    "suppress": "Send nothing about a person.",
    "forget": "Remove a person from everything the relay keeps.",
    "simulate": "Run a local Customer.io that shows what arrives.",
    "completion": "Make a shell complete commands, options and names: bash, zsh or fish.",
}

_SECTIONS = {
    "Start": ("init", "demo", "check", "up", "web", "worker", "beat", "console"),
    "Watch": ("status", "audit", "alerts", "trace", "explain", "compare", "actions"),
    "Repair": ("dead", "jobs", "hold", "resume", "replay", "resync", "reshard"),
    "People": ("person", "suppress", "forget"),
    "Configuration": ("config", "seal"),
    "Tools": ("send", "simulate", "completion"),
}


def _load(name: str) -> click.Command:  # noqa: C901, PLR0912, PLR0915 - one import a command
    command: click.Command
    match name:
        case "init":
            from worker.cli.init import init as command
        case "demo":
            from worker.cli.demo.command import demo as command
        case "up":
            from worker.cli.up import up as command
        case "web":
            from worker.cli.run import web as command
        case "worker":
            from worker.cli.run import worker as command
        case "beat":
            from worker.cli.run import beat as command
        case "console":
            from worker.cli.console import console as command
        case "check":
            from worker.cli.check import check as command
        case "status":
            from worker.cli.status import status as command
        case "audit":
            from worker.cli.audit import audit as command
        case "alerts":
            from worker.cli.alerts import alerts as command
        case "config":
            from worker.cli.config.group import config as command
        case "actions":
            from worker.cli.actions import actions as command
        case "seal":
            from worker.cli.seal import seal as command
        case "hold":
            from worker.cli.hold import hold as command
        case "resume":
            from worker.cli.hold import resume as command
        case "send":
            from worker.cli.send import send as command
        case "dead":
            from worker.cli.dead.overview import dead as command
        case "jobs":
            from worker.cli.dead.jobs import jobs as command
        case "trace":
            from worker.cli.trace import trace as command
        case "person":
            from worker.cli.person import person as command
        case "replay":
            from worker.cli.replay import replay as command
        case "resync":
            from worker.cli.resync import resync as command
        case "reshard":
            from worker.cli.reshard import reshard as command
        case "explain":
            from worker.cli.explain import explain as command
        case "compare":
            from worker.cli.compare import compare as command
        case "suppress":
            from worker.cli.suppress import suppress as command
        case "forget":
            from worker.cli.forget import forget as command
        case "simulate":
            from worker.cli.simulate import simulate as command
        case "completion":
            from worker.cli.completion import completion as command
        case _:
            raise LookupError(name)
    return command


@click.group(
    cls=LazyGroup,
    commands_help=_COMMANDS,
    load=_load,
    sections=_SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST},
)
@click.version_option(package_name="purchasely-customerio-relay")
def relay() -> None:
    """Relay Purchasely's server events to Customer.io."""


def main() -> None:
    """The console command: exit 0 done, 1 found something wrong, 2 used or set up wrongly."""
    gc.set_threshold(_OBJECTS_BEFORE_GARBAGE, 20, 20)
    atexit.register(gc.freeze)  # else the interpreter looks for garbage among all modules before it ends: 0.06 s
    prepare_streams()
    try:
        _warn_of_variables()
        if "_RELAY_COMPLETE" in os.environ:
            from worker.cli.shells import correct_shells

            correct_shells()
        # None: colours on a terminal; click does not know NO_COLOR
        relay(prog_name="relay", color=False if os.environ.get("NO_COLOR") else None)
    except ArchiveError as error:
        say(f"relay: the archive cannot be used: {error}; see RELAY_ARCHIVE_URL, and `relay check`", err=True)
        sys.exit(2)
    except OperatorError as error:
        for line in error.lines:
            say(f"relay: {line}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:  # before click was asked: it answers the others in the same way
        say("Aborted!", err=True)
        sys.exit(1)
    except OSError as fault:
        if not has_no_room(fault):
            raise
        say(f"relay: cannot write ({fault.strerror}): make room where the output goes, or name another place", err=True)
        sys.exit(2)
    except Exception as fault:
        # redis is imported only by commands that speak to it
        if not any(kind.__module__.startswith("redis.") for kind in type(fault).__mro__):
            raise
        from worker.machine.faults import reason, remedy

        cure = remedy(fault, "RELAY_REDIS_URL", moves=_redis_moves())
        say(f"relay: Redis does not serve ({reason(fault)}): {cure}; `relay check` says more", err=True)
        sys.exit(2)


def _redis_moves() -> bool:
    """Whether another server takes over for one that does not serve."""
    from worker.app.process import read_settings
    from worker.store.connect import find_address

    try:
        return find_address(read_settings()).moves
    except OperatorError:
        return False


def _warn_of_variables() -> None:
    """A misspelt variable would be ignored in silence."""
    if "_RELAY_COMPLETE" not in os.environ and any(name.startswith("RELAY_") for name in os.environ):
        from config.variables import unknown_variables

        for warning in unknown_variables(os.environ):
            say(f"relay: {warning}", err=True)
