"""`relay demo`: a whole installation at work for some seconds, on this machine alone."""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.printing import count, echo_json, say

if TYPE_CHECKING:
    from rich.console import Console

    from worker.cli.demo.stage import Stage
    from worker.cli.demo.traffic import Traffic
    from worker.machine.signals import Signals

# The events are sent within this time where the machine can: long enough to watch.
_SENDING_S = 5.0
_SLOWEST_PER_S = 200.0
_START_WITHIN_S = 60.0
_SETTLE_WITHIN_S = 30.0

_LOOK_S = 0.15


@click.command()
@click.option("--people", type=click.IntRange(1, 100_000), default=120, show_default=True, help="How many customers.")
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C, to look around.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the sample customers.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def demo(people: int, seed: int, *, keep: bool, as_json: bool) -> None:
    """Run the whole relay with sample events, and show that the books balance.

    A Valkey, the web door, a Celery worker, beat and a simulated Customer.io run in a temporary folder. Purchasely's
    part is played too: signed requests with months of a subscription app. Nothing of it is left at the end.

    Exit 0 only if every event was accepted, the books balance, and Customer.io has exactly what was delivered.
    """
    from rich.console import Console

    from worker.cli.demo.stage import Stage
    from worker.machine.signals import Signals

    console = Console(highlight=False, quiet=as_json, width=None if sys.stdout.isatty() else 120)
    folder = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    with Signals() as signals:
        stage = Stage(folder, with_console=keep and not as_json)
        try:
            outcome = _run(stage, signals, console, people, seed)
            if keep and not as_json:
                _stay(stage, signals, console)
        except _Interrupted:
            outcome = {"ok": False}
            say("relay: stopped before the end", err=True)
        finally:
            stage.machine.stop(signals.wait, lambda: signals.asked > 1)
            shutil.rmtree(folder, ignore_errors=True)
    for change in stage.happened:
        say(f"relay: {change.program} {change.what}: {change.message}", err=True)
    if as_json:
        echo_json(outcome)
    sys.exit(0 if outcome["ok"] else 1)


class _Interrupted(Exception):  # noqa: N818 - no error: somebody had seen enough
    """A signal came before the end."""


def _run(stage: "Stage", signals: "Signals", console: "Console", people: int, seed: int) -> dict[str, Any]:
    from worker.cli.demo import show as demo_show
    from worker.cli.demo.events import deliveries
    from worker.cli.demo.traffic import Traffic

    started = time.monotonic()
    console.print(demo_show.TITLE)
    with _status(console, "starting Valkey, web, worker, beat and a simulated Customer.io"):
        stage.start()
        sent = deliveries(people, seed, time.time_ns() // 1_000_000)
        stage.wait_ready(_START_WITHIN_S, lambda: signals.asked > 0)
    ready_s = time.monotonic() - started
    _stop_if_asked(signals)
    traffic = Traffic(stage.webhook, stage.secret.encode(), sent, max(_SLOWEST_PER_S, len(sent) / _SENDING_S))
    try:
        items = _follow(stage, signals, traffic, console)
    finally:
        traffic.stop()
    outcome = _outcome(stage, traffic, items)
    properties = stage.machine.relay.integrations.integrations["production"].properties.values()
    demo_show.show(console, outcome, list(properties), traffic, ready_s)
    return outcome


def _status(console: "Console", message: str) -> AbstractContextManager[object]:
    if console.is_terminal and not console.quiet:
        return console.status(message)
    console.print(message)
    return contextlib.nullcontext()


def _stop_if_asked(signals: "Signals") -> None:
    if signals.asked:
        raise _Interrupted


def _follow(stage: "Stage", signals: "Signals", traffic: "Traffic", console: "Console") -> list[dict[str, Any]]:
    """Send, and show how it goes until everything is settled; the integrations as they are then."""
    from rich.live import Live

    from worker.cli.demo.show import Progress
    from worker.cli.status import read

    progress = Progress(traffic, len(stage.names))
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not console.quiet else None
    settled_by = said = 0.0
    traffic.start()
    with live or contextlib.nullcontext():
        while True:
            signals.wait(min(_LOOK_S, stage.machine.supervisor.poll()))
            _stop_if_asked(signals)
            sending = traffic.is_running()
            items: list[dict[str, Any]] = read(stage.machine.relay)["items"]
            now = time.monotonic()
            settled_by = settled_by or (0.0 if sending else now + _SETTLE_WITHIN_S)
            done = not sending and (now > settled_by or not any(item["waiting"] for item in items))
            if live:
                live.update(progress.picture(items), refresh=True)
            elif done or now - said >= 1:
                said = now
                console.print(progress.line(items))
            if done:
                return items


def _outcome(stage: "Stage", traffic: "Traffic", items: list[dict[str, Any]]) -> dict[str, Any]:
    """What came of it, and whether it is as it must be."""
    from worker.cli.demo import show as demo_show
    from worker.ledger.figures import Ledger

    arrived = {name: stage.inspect("stats", name)["events"] for name in stage.names}
    delivered = {item["integration"]: item["delivered"] for item in items}
    findings = Ledger(stage.machine.relay).audit().findings
    checks = {
        f"all {count(traffic.total)} requests were answered with 200": (
            traffic.accepted + traffic.duplicates == traffic.total
        ),
        **{demo_show.balance(item): not item["unaccounted"] and not item["waiting"] for item in items},
        "Redis itself counts the same (relay audit)": not findings,
        f"Customer.io has {count(sum(arrived.values()))} events: those delivered, each once": arrived == delivered,
    }
    return {
        "ok": all(checks.values()),
        "requests": traffic.total,
        "accepted": traffic.accepted,
        "duplicates": traffic.duplicates,
        "refused": traffic.refused,
        "took_s": round(traffic.took_s, 2),
        "items": items,
        "arrived": arrived,
        "checks": checks,
        "findings": findings,
        "people": _sample(stage),
        "next": None,
    }


def _sample(stage: "Stage") -> list[dict[str, Any]]:
    """Three people of as many kinds: somebody subscribed, somebody no longer, somebody with something special."""
    found = stage.inspect("people?limit=10000", "production")["items"]
    found.sort(key=lambda person: -person["event_count"])
    kinds: list[Callable[[dict[str, Any]], bool]] = [
        lambda has: has["has_active_subscription"] and has["status"] == "AUTO_RENEWING" and not has["is_in_trial"],
        lambda has: not has["has_active_subscription"],
        lambda has: has["is_in_trial"] or has["status"] in {"IN_GRACE_PERIOD", "PAUSED", "AUTO_RENEWING_CANCELED"},
        *[lambda _has: True] * 3,
    ]
    chosen: list[dict[str, Any]] = []
    for kind in kinds:
        fitting = (p for p in found if p not in chosen and p["attributes"].get("status") and kind(p["attributes"]))
        chosen += [person] if (person := next(fitting, None)) else []
    ids = [person["identifiers"]["id"] for person in chosen[:3]]
    return [stage.inspect(f"people/id/{user_id}", "production") for user_id in ids]


def _stay(stage: "Stage", signals: "Signals", console: "Console") -> None:
    """Leave it running until a signal."""
    env = stage.write_env()
    console.print(
        f"\nStill running, until Ctrl-C:\n"
        f"  {stage.simulator}/    what Customer.io has\n"
        f"  {stage.machine.console_link('demo')}    the web console, logged in once\n"
        f"  {stage.machine.web_url}/metrics    what Prometheus would see\n"
        f"  . {env}; relay status --watch    in another terminal"
    )
    while not signals.asked:
        signals.wait(stage.machine.supervisor.poll())
