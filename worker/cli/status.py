"""`relay status`: how each integration is doing."""

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.printing import echo_json

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.ledger.accounts import Account
    from worker.ledger.fleet import Fleet
    from worker.ledger.recent import Delays
    from worker.store.processes import Process


@click.command()
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option(
    "--every", "every_s", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Seconds, with --watch."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch one document a line.")
def status(*, watch: bool, every_s: float, as_json: bool) -> None:
    """Show each integration: live or held and why, what waits, what became of the rest.

    p50 and p99 are of the time from received to delivered in the last 15 minutes, from the newest requests.
    """
    from worker.cli.parts import open_parts

    parts = open_parts()
    if as_json:
        _tell(parts, every_s if watch else 0)
    elif watch and sys.stdout.isatty():
        _watch(parts, every_s)
    else:
        _print(parts, every_s if watch else 0)


def read(parts: "Relay") -> dict[str, Any]:
    """The state of everything, as `--json` prints it."""
    from worker.ledger.figures import Ledger
    from worker.ledger.headroom import near
    from worker.ledger.losses import read_loss
    from worker.revisions.live import EMPTY, NO_CONFIG

    parts.live.look()  # with --watch the configuration may change meanwhile
    ledger = Ledger(parts)
    figures = None if parts.live.loaded is EMPTY else ledger.figures()
    found = figures.fleet if figures else ledger.fleet()
    wrong = list(found.messages())
    fleet = {
        "revision": found.revision,
        "processes": [_process(one, found) for one in found.processes],
    }
    if figures is None:
        nothing: dict[str, Any] = {"items": [], "next": None, "sources": [], "near": [], "past": None}
        return nothing | fleet | {"wrong": [NO_CONFIG, *wrong]}
    gone = [read_loss(name, counts) for name, counts in figures.intake.items()]
    sources = [{"source": name, **counts} for name, counts in figures.intake.items()]
    delays = ledger.delays()
    items = [_item(account, delays.get(account.integration)) for account in figures.accounts]
    past = figures.past
    return {
        "items": items,
        "next": None,
        "sources": sources,
        "near": [bound.message for bound in near(figures.bounds)],
        **fleet,
        "wrong": [*wrong, *(one.message for one in gone if one.gone), *filter(None, [past.archive.message])],
        "past": {"since_ms": past.since_ms, "retention_s": parts.settings.retention_s, "archive": past.archive},
    }


def _process(one: "Process", found: "Fleet") -> dict[str, Any]:
    return {
        "host": one.host,
        "pid": one.pid,
        "role": one.role,
        "version": one.version,
        "revision": one.revision,
        "since_ms": one.since_ms,
        "owner": one.owner,
        "missing_secrets": one.missing,
        "alive": one.alive,
        "behind": one in found.behind,
        "silent_ms": one.silent_ms,
    }


def _item(account: "Account", delays: "Delays | None") -> dict[str, Any]:
    state = "held" if account.hold else "off" if not account.enabled else "live" if account.send else "shadow"
    return {
        "integration": account.integration,
        "source": account.source,
        "state": state,
        "hold": account.hold,
        "waiting": account.waiting,
        "oldest_waiting_ms": account.oldest_ms,
        "accepted": account.accepted,
        "delivered": account.delivered,
        "shadowed": account.filtered.get("shadow", 0),
        "filtered": dict(sorted(account.filtered.items())),
        "dead": account.dead,
        "properties_rejected": account.properties,
        "unaccounted": account.unaccounted,
        "p50_ms": delays and delays.p50_ms,
        "p99_ms": delays and delays.p99_ms,
    }


def _tell(parts: "Relay", every_s: float) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            echo_json(read(parts))
            if not every_s:
                return
            time.sleep(every_s)


def _print(parts: "Relay", every_s: float) -> None:
    from rich.console import Console

    from worker.cli.status_picture import picture

    # a pipe has no width of its own, and columns that were cut cannot be searched
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            console.print(picture(read(parts), console.width))
            if not every_s:
                return
            time.sleep(every_s)


def _watch(parts: "Relay", every_s: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from worker.cli.status_picture import picture

    console = Console(highlight=False)
    with contextlib.suppress(KeyboardInterrupt), Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(picture(read(parts), console.width), refresh=True)
            time.sleep(every_s)
