"""`relay web`, `relay worker`, `relay beat`: one process of the Procfile, for service managers and containers."""

import os
import sys

import click

from worker.cli.printing import say

ALIVE = click.option("--alive", is_flag=True, help="Run nothing: say whether one is alive here, for liveness probes.")


@click.command()
def web() -> None:
    """Run the web door: it stores what senders post. Any number of them.

    RELAY_HOST and RELAY_PORT say where it listens. SIGTERM: it answers what it has accepted, then ends.
    """
    become("web")


@click.command()
@ALIVE
def worker(*, alive: bool) -> None:
    """Run a worker: it delivers to Customer.io. Any number of them, on any number of hosts.

    It serves RELAY_CONCURRENCY lanes at once (32 by default), in threads or, with RELAY_POOL=prefork, in processes.
    SIGTERM: it finishes the requests in hand.
    """
    look_for("worker") if alive else become("worker")


@click.command()
@ALIVE
def beat(*, alive: bool) -> None:
    """Run beat: it asks the workers for the periodic work. One is enough; two do no harm.

    Without any, a worker asks in its place.
    """
    look_for("beat") if alive else become("beat")


def look_for(role: str) -> None:
    """Say whether a process of this role is alive here: exit 0, else 1. Neither Redis nor the broker is asked."""
    from worker.app import read_settings
    from worker.process.alive import SILENT_S, signs

    data_dir = read_settings().data_dir
    found = signs(data_dir, role)
    if not found:
        say(f"no {role} runs here (by its files in {data_dir}/alive; RELAY_DATA_DIR)")
    for one in found:
        say(f"{role} {one.pid} gave a sign of life {one.ago_s:.0f} s ago")
    sys.exit(0 if found and found[0].ago_s < SILENT_S else 1)


def become(name: str) -> None:
    """Replace this process by that of the Procfile, so that signals and the exit code are its own."""
    from worker.machine.processes import program

    argv = program(name, os.environ).argv
    sys.stdout.flush()
    os.execvpe(argv[0], argv, os.environ)  # noqa: S606 - the command is ours
