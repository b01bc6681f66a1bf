"""`relay web`, `relay worker`, `relay beat`: one process of the Procfile, for service managers and containers."""

import os
import sys

import click


@click.command()
def web() -> None:
    """Run the web door: it stores what senders post. Any number of them.

    RELAY_HOST and RELAY_PORT say where it listens. SIGTERM: it answers what it has accepted, then exits 0.
    """
    become("web")


@click.command()
def worker() -> None:
    """Run a worker: it delivers to Customer.io. Any number of them, on any number of hosts.

    RELAY_CONCURRENCY is the number of its processes (one a core by default). SIGTERM: it finishes the requests in hand.
    """
    become("worker")


@click.command()
def beat() -> None:
    """Run beat: it asks the workers for the periodic work. One is enough; two do no harm."""
    become("beat")


def become(name: str) -> None:
    """Replace this process by that of the Procfile, so that signals and the exit code are its own."""
    from worker.machine.processes import program

    argv = program(name, os.environ).argv
    sys.stdout.flush()
    os.execvpe(argv[0], argv, os.environ)  # noqa: S606 - the command is ours
