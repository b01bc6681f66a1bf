"""`relay status`: how each integration is doing."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from worker.cli.printing import count, echo_json, span

if TYPE_CHECKING:
    from rich.console import RenderableType

    from worker.app import Relay
    from worker.ledger.accounts import Account
    from worker.ledger.fleet import Fleet
    from worker.store.processes import Process

_COLOURS = {"live": "green", "held": "red", "off": "dim"}


@click.command()
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
@click.option(
    "--every", "every_s", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Seconds, with --watch."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch one document a line.")
def status(*, watch: bool, every_s: float, as_json: bool) -> None:
    """Show each integration: live or held and why, what waits, what became of the rest.

    p50 and p99 are upper bounds of the time from received to delivered, over everything that was ever counted.
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

    parts.live.look()  # with --watch the configuration may change meanwhile
    ledger = Ledger(parts)
    found = ledger.fleet()
    sources = [{"source": name, **counts} for name, counts in ledger.intake().items()]
    items = [_item(account) for account in ledger.accounts()]
    past = ledger.past()
    return {
        "items": items,
        "next": None,
        "sources": sources,
        "near": [bound.message for bound in near(ledger.bounds())],
        "revision": found.revision,
        "processes": [_process(one, found) for one in found.processes],
        "wrong": [*found.messages(), *filter(None, [past.archive.message])],
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


def _item(account: "Account") -> dict[str, Any]:
    from worker.ledger.accounts import percentile_ms

    state = "held" if account.hold else "live" if account.enabled else "off"
    return {
        "integration": account.integration,
        "source": account.source,
        "state": state,
        "hold": account.hold,
        "waiting": account.waiting,
        "oldest_waiting_ms": account.oldest_ms,
        "accepted": account.accepted,
        "delivered": account.delivered,
        "filtered": dict(sorted(account.filtered.items())),
        "dead": account.dead,
        "properties_rejected": account.properties,
        "unaccounted": account.unaccounted,
        "p50_ms": percentile_ms(account.latency, 0.5),
        "p99_ms": percentile_ms(account.latency, 0.99),
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

    # a pipe has no width of its own, and columns that were cut cannot be searched
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            console.print(picture(read(parts)))
            if not every_s:
                return
            time.sleep(every_s)


def _watch(parts: "Relay", every_s: float) -> None:
    from rich.console import Console
    from rich.live import Live

    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live,
    ):
        while True:
            live.update(picture(read(parts)), refresh=True)
            time.sleep(every_s)


def picture(state: dict[str, Any]) -> "RenderableType":
    """The table of the integrations, and a line for each thing it has no room for."""
    from rich.console import Group
    from rich.text import Text

    now_ms = time.time_ns() // 1_000_000
    lines = [Text(_hold_line(item, now_ms), style="red") for item in state["items"] if item["hold"]]
    lines += [Text(message, style="red") for message in state["wrong"]]
    lines += [Text(message, style="yellow") for message in state["near"]]
    lines += [Text(_source_line(one)) for one in state["sources"]]
    lines += [Text(_past_line(state["past"], now_ms)), Text(_processes_line(state))]
    if not state["items"]:
        lines.insert(0, Text("the integrations file has no integration"))
    return Group(integrations_table(state["items"]), *lines)


def _source_line(source: dict[str, Any]) -> str:
    line = f"source {source['source']}: {count(source['accepted'])} stored, {count(source['duplicates'])} duplicates"
    if not source["conflicting"]:
        return line
    return f"{line}; {count(source['conflicting'])} stored under an event id that was in use for another event"


def _past_line(past: dict[str, Any], now_ms: int) -> str:
    files = past["archive"].files
    archived = f"; {count(files)} {'file' if files == 1 else 'files'} archived" if files else ""
    if past["since_ms"] is None:
        return f"no event is kept{archived}"
    reach = span(max(0, now_ms - past["since_ms"]))
    return f"the past reaches back {reach} (retention {span(past['retention_s'] * 1000)}){archived}"


def _processes_line(state: dict[str, Any]) -> str:
    alive = [one for one in state["processes"] if one["alive"]]
    roles = Counter("worker child" if one["role"] == "child" else one["role"] for one in alive)
    who = ", ".join(f"{number} {role}" for role, number in sorted(roles.items())) or "none"
    return f"revision {state['revision'] or 'none'}; processes alive: {who}"


def integrations_table(items: list[dict[str, Any]]) -> "RenderableType":
    """One row an integration, for 80 columns; what was filtered and waits, in lines below."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("integration", "state"):
        table.add_column(name)
    for name in ("accepted", "delivered", "filtered", "dead", "waiting", "p50 <=", "p99 <="):
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        table.add_row(
            Text(item["integration"]),
            Text(item["state"], style=_COLOURS[item["state"]]),
            count(item["accepted"]),
            count(item["delivered"]),
            count(sum(item["filtered"].values())),
            Text(count(item["dead"]), style="yellow" if item["dead"] else ""),
            count(item["waiting"]),
            _bound(item, "p50_ms"),
            _bound(item, "p99_ms"),
        )
    return Group(table, "", *[Text(line) for item in items for line in _details(item)])


def _details(item: dict[str, Any]) -> Iterator[str]:
    if item["filtered"]:
        reasons = sorted(item["filtered"].items(), key=lambda pair: -pair[1])
        yield f"{item['integration']} filtered: {', '.join(f'{reason} {count(number)}' for reason, number in reasons)}"
    if item["properties_rejected"]:
        number = count(item["properties_rejected"])
        yield f"{item['integration']} properties refused: {number}; `relay dead list --reason properties_rejected`"
    if item["waiting"]:
        yield f"{item['integration']} oldest waiting: {span(item['oldest_waiting_ms'])}"
    if item["unaccounted"]:
        yield f"{item['integration']} unaccounted: {item['unaccounted']}; `relay audit` says where"


def _bound(item: dict[str, Any], name: str) -> str:
    if item[name] is not None:
        return span(item[name])
    return "> 1 h" if item["delivered"] and item["p50_ms"] is not None else ""


def _hold_line(item: dict[str, Any], now_ms: int) -> str:
    hold = item["hold"]
    since = span(max(0, now_ms - hold.since_ms))
    if hold.by == "operator":
        why = f": {hold.message}" if hold.message else ""
        end = f"`relay resume {item['integration']}` ends it"
        return f"{item['integration']} is held by an operator for {since}{why}; {end}"
    due_ms = hold.next_probe_ms - now_ms
    probe = f"next probe in {span(due_ms)}" if due_ms > 0 else "probe due"
    tries = f"{hold.failures} {'try' if hold.failures == 1 else 'tries'} failed"
    # without a status nobody answered: the words are the relay's own
    message = (f'; Customer.io: "{hold.message}"' if hold.status else f"; {hold.message}") if hold.message else ""
    return f"{item['integration']} is held ({hold.kind}) for {since}, {tries}, {probe}{message}"
