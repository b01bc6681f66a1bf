"""Picture of `relay status`: the table of the integrations at the terminal's width, and lines below it."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.cli.printing import count, several, span
from worker.dead.advice import HOLDS
from worker.process.plain import plain

_COLOURS = {"live": "green", "shadow": "cyan", "held": "red", "off": "dim"}
_NARROW = 76  # below that, what can be read elsewhere makes room


def picture(state: dict[str, Any], width: int = 80, now_ms: int = 0) -> RenderableType:
    """The table of the integrations, and a line for each thing it has no room for."""
    now_ms = now_ms or time.time_ns() // 1_000_000
    lines = []
    for item in state["items"]:
        if item["hold"]:
            lines.append(_text(_hold_line(item, now_ms), style="red"))
            lines.append(_text(f"  fix: {HOLDS.get(item['hold'].kind, 'see the runbook')}"))
    lines += [_text(message, style="red") for message in state["wrong"]]
    lines += [_text(message, style="yellow") for message in state["near"]]
    lines += [_text(_source_line(one)) for one in state["sources"]]
    if state["past"]:
        lines.append(_text(_past_line(state["past"], now_ms)))
    lines.append(_text(_processes_line(state)))
    if state["items"]:
        return Group(integrations_table(state["items"], width), *lines)
    if state["revision"] or not state["wrong"]:
        lines.insert(0, _text("the configuration has no integration"))
    return Group(*lines)


def _text(line: str, style: str = "") -> Text:
    """A piece of the picture; nothing in it acts on the terminal."""
    return Text(plain(line), style=style)


def _source_line(source: dict[str, Any]) -> str:
    line = f"source {source['source']}: {count(source['accepted'])} stored, {count(source['duplicates'])} duplicates"
    if source["lost"]:
        line += f"; Redis lost {count(source['lost'])}, {count(source['restored'])} of them came back"
    if not source["conflicting"]:
        return line
    return f"{line}; {count(source['conflicting'])} stored under an event id that was in use for another event"


def _past_line(past: dict[str, Any], now_ms: int) -> str:
    files = past["archive"].files
    archived = f"; {several(files, 'file')} archived" if files else ""
    if past["since_ms"] is None:
        return f"no event is kept{archived}"
    reach = span(max(0, now_ms - past["since_ms"]))
    return f"the past reaches back {reach} (retention {span(past['retention_s'] * 1000)}){archived}"


def _processes_line(state: dict[str, Any]) -> str:
    alive = [one for one in state["processes"] if one["alive"]]
    roles = Counter("worker child" if one["role"] == "child" else one["role"] for one in alive)
    who = ", ".join(f"{number} {role}" for role, number in sorted(roles.items())) or "none"
    return f"revision {state['revision'] or 'none'}; processes alive: {who}"


def integrations_table(items: list[dict[str, Any]], width: int = 80) -> RenderableType:
    """One row an integration; what was filtered and waits, in lines below. A narrow one leaves sums out."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("integration", no_wrap=True, overflow="ellipsis", min_width=11)
    table.add_column("state", no_wrap=True, min_width=5)
    names: tuple[str, ...] = ("delivered", "dead", "waiting", "p50", "p99")
    if width >= _NARROW:
        names = ("accepted", "delivered", "filtered", "dead", "waiting", "p50", "p99")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        cells = {
            "accepted": _text(count(item["accepted"])),
            "delivered": _text(count(item["delivered"])),
            "filtered": _text(count(sum(_filtered(item).values()))),
            "dead": _text(count(item["dead"]), style="yellow" if item["dead"] else ""),
            "waiting": _text(count(item["waiting"])),
            "p50": _text(_delay(item["p50_ms"])),
            "p99": _text(_delay(item["p99_ms"])),
        }
        state = _text(item["state"], style=_COLOURS[item["state"]])
        table.add_row(_text(item["integration"]), state, *[cells[name] for name in names])
    return Group(table, "", *[_text(line) for item in items for line in _details(item)])


def _details(item: dict[str, Any]) -> Iterator[str]:
    shadowed = item["filtered"].get("shadow", 0)
    if item["state"] == "shadow" or shadowed:
        now = "; send = false" if item["state"] == "shadow" else ""
        yield f"{item['integration']} in shadow: {count(shadowed)} would have been sent{now}"
    if filtered := _filtered(item):
        reasons = sorted(filtered.items(), key=lambda pair: -pair[1])
        yield f"{item['integration']} filtered: {', '.join(f'{reason} {count(number)}' for reason, number in reasons)}"
    if item["dead"]:
        yield f"{item['integration']} dead: {count(item['dead'])}; `relay dead` says why and what to do"
    if item["properties_rejected"]:
        number = count(item["properties_rejected"])
        yield f"{item['integration']} properties refused: {number}; `relay dead list --reason properties_rejected`"
    if item["waiting"]:
        yield f"{item['integration']} oldest waiting: {span(item['oldest_waiting_ms'])}"
    if item["unaccounted"]:
        yield f"{item['integration']} unaccounted: {item['unaccounted']}; `relay audit` says where"


def _filtered(item: dict[str, Any]) -> dict[str, int]:
    """What was filtered, by reason; what would have been sent is counted apart."""
    return {reason: number for reason, number in item["filtered"].items() if reason != "shadow"}


def _delay(milliseconds: int | None) -> str:
    """A delay for a narrow column: its largest unit alone."""
    return "-" if milliseconds is None else " ".join(span(milliseconds).split()[:2])


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
