"""`relay up`: web, worker, beat and console of one machine, in the foreground."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.printing import echo_json, say, terminal_width
from worker.cli.up_picture import block, facts
from worker.errors import OperatorError
from worker.process.eventlog import EventLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import Settings
    from worker.machine.here import Machine
    from worker.machine.serverfacts import Fact
    from worker.machine.supervisor import Change

log = EventLog(__name__)

_READY_WITHIN_S = 30
# Customer.io is asked about the keys while the processes start; what it says later is news.
_KEYS_WITHIN_S = 2.0


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the embedded server.  [default: RELAY_DATA_DIR, or data]",
)
@click.option("--host", help="Address the web door listens on.  [default: RELAY_HOST, or 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Port of the web door; 0: a free one.  [default: RELAY_PORT, or 8080]",
)
@click.option("--concurrency", type=click.IntRange(1, 256), help="Lanes that are served at once.  [default: 32]")
@click.option(
    "--console-port",
    type=click.IntRange(0, 65535),
    help="Port of the web console; 0: a free one.  [default: RELAY_CONSOLE_PORT, or 8081, or a free one]",
)
@click.option("--console/--no-console", "with_console", default=True, help="Whether to run the web console too.")
@click.option("--json", "as_json", is_flag=True, help="Print each change as one JSON line.")
def up(
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    concurrency: int | None,
    *,
    console_port: int | None,
    with_console: bool,
    as_json: bool,
) -> None:
    """Run the relay on this machine: web, worker, beat and console, until Ctrl-C or SIGTERM.

    Without RELAY_REDIS_URL it starts an embedded Valkey, which keeps every accepted event in the data folder.
    """
    from worker.app import read_settings
    from worker.machine.here import Machine, choose_address
    from worker.machine.keys import Keys
    from worker.machine.signals import Signals
    from worker.process.logs import configure

    os.umask(0o077)  # what its processes write holds payloads, or keys
    chosen = read_settings()
    configure("up", chosen.log_level, chosen.log_format)
    host = host or chosen.host
    settings = chosen.model_copy(
        update={
            "data_dir": (data_dir or chosen.data_dir).resolve(),
            "integrations": chosen.integrations and chosen.integrations.resolve(),
            "host": host,
            "port": choose_address(host, chosen.port if port is None else port),
            "console_port": _console_port(chosen, console_port) if with_console else chosen.console_port,
            "console_login": chosen.console_login or "link",
        }
    )
    news = _News(as_json=as_json)
    machine = Machine(settings, news.change, concurrency=concurrency, with_console=with_console)
    started = time.monotonic()
    with Signals() as signals:
        try:
            machine.start(lambda: signals.asked > 0)
            keys = Keys(machine.relay)
            if machine.wait_ready(_READY_WITHIN_S, signals.wait, lambda: signals.asked > 0):
                news.ready(machine, time.monotonic() - started, keys.wrong(_KEYS_WITHIN_S))
                keys.tell_later(lambda one: news.tell(one.subject, "not delivering", f"{one.text}; {one.remedy}"))
            elif not signals.asked:
                news.tell("web", "late", f"it does not answer after {_READY_WITHIN_S} s; see its lines above")
            while not signals.asked:
                signals.wait(machine.supervisor.poll())
            news.tell("relay", "stopping", "web first, so that what it accepted is answered; again to stop at once")
        finally:
            killed = machine.stop(signals.wait, lambda: signals.asked > 1)
    news.tell("relay", "stopped", f"had to be killed: {', '.join(killed)}" if killed else "nothing is left running")
    sys.exit(1 if killed else 0)


def _console_port(chosen: "Settings", asked: int | None) -> int:
    """The port of the console: the one that was asked for, else 8081, else any that is free."""
    from worker.machine.here import choose_address

    if asked is not None or "console_port" in chosen.model_fields_set:
        wanted = chosen.console_port if asked is None else asked
        return choose_address(chosen.console_host, wanted, "--console-port, or --no-console")
    try:
        return choose_address(chosen.console_host, chosen.console_port)
    except OperatorError:
        return choose_address(chosen.console_host, 0)


class _News:
    """Tells what happens: to a program as JSON, to a person in the log, where the processes' own lines are."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def change(self, change: "Change") -> None:
        """Something happened to a process."""
        self.tell(change.program, change.what, change.message)

    def tell(self, process: str, what: str, message: str) -> None:
        """One line."""
        if self._as_json:
            echo_json({"what": what, "process": process, "message": message})
        else:
            log.info("process_changed", program=process, change=what, message=message)

    def ready(self, machine: "Machine", took_s: float, wrong: "Sequence[Fact]") -> None:
        """What to know of a relay that has just come up; `wrong` are the integrations that cannot be delivered to."""
        if self._as_json:
            echo_json(facts(machine, wrong))
        else:
            for line in block(machine, took_s, wrong, terminal_width()):
                say(*line)
