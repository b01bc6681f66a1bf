"""Picture of `relay status`: a row an integration at the terminal's width, what is wrong and how to fix it below."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.text import Text

from worker.cli.columns import columns, fitted
from worker.cli.printing import count, several, span
from worker.dead.advice import hold_advice, hold_note, hold_steps, is_refused
from worker.process.plain import plain
from worker.process.wording import per_s
from worker.store.refusals import Refused

COLOURS = {"live": "green", "held": "red", "off": "dim", "shadow": "cyan", "unserved": "red"}
_MARKS = {"live": "● live", "held": "■ paused", "off": "○ off", "shadow": "◐ shadow", "unserved": "■ not served"}
_UNSERVED = "No worker has its secret. Fix: set it where the workers run and restart them; their log names it."
_HEAD = ["INTEGRATION", "STATE", "LAST 15 MIN", "DELAY p50/p99", "WAITING", "FAILED", ""]
_RECENT, _DELAY, _ARROW = 2, 3, 6
# As `sender_refused` in docs/logs.md.
_REFUSED = {
    400: "no event",
    401: "wrong secret",
    404: "no such source",
    413: "too large",
    415: "compressed, or no JSON",
    422: "no event",
}
_NONE = "\N{EN DASH}"
_ROOMY = 100  # columns from which what happened lately is said in full

Rates = Mapping[str, tuple[float, ...]]
"""Events a second of each integration just now: received, sent."""


def picture(state: dict[str, Any], width: int = 80, now_ms: int = 0, rates: Rates | None = None) -> RenderableType:
    """The table of the integrations, with what holds one below it, and a line for each thing it has no room for."""
    now_ms = now_ms or time.time_ns() // 1_000_000
    lines = [text(line) for item in state["items"] for line in details(item)]
    lines += [text(message, style="red") for message in state["wrong"]]
    lines += [text(message, style="yellow") for message in state["near"]]
    lines += [text(line, style="yellow") for line in _refused_lines(state["refused"])]
    lines += [text(_source_line(one)) for one in state["sources"]]
    if state["past"]:
        lines.append(text(_past_line(state["past"], now_ms)))
    lines.append(text(_processes_line(state)))
    if state["items"]:
        return Group(*_table(state, width, now_ms, rates or {}), "", *lines)
    if state["revision"] or not state["wrong"]:
        lines.insert(0, text("the configuration has no integration"))
    return Group(*lines)


def text(line: str, style: str = "") -> Text:
    """A piece of the picture; nothing in it acts on the terminal."""
    return Text(plain(line), style=style)


def _table(state: dict[str, Any], width: int, now_ms: int, rates: Rates) -> Iterator[Text]:
    items, file = state["items"], state.get("owning_file", "")
    rows = [_HEAD, *(_row(item, now_ms, rates.get(item["integration"]), full=width >= _ROOMY) for item in items)]
    narrow = fitted(rows, width, [_ARROW, _DELAY, _RECENT], [(0, len(_HEAD[0]))])
    counts = [narrow[0].index("WAITING"), narrow[0].index("FAILED")]
    head, *lines = columns(narrow, right=counts)
    yield text(head)
    for item, line, row in zip(items, lines, narrow[1:], strict=True):
        shown = text(line)
        begins = line.find(row[1], len(row[0]))
        shown.stylize(COLOURS[item["state"]], begins, begins + len(row[1]))
        yield shown
        if item["hold"]:
            yield Text(_wrapped(_why(item, now_ms), width), style="red")
            yield from (Text(_wrapped(said, width)) for said in _fix(item, file))
        elif item["state"] == "unserved":
            yield Text(_wrapped(_UNSERVED, width), style="red")
    if len(narrow[0]) < len(_HEAD) and any(item["dead"] for item in items):
        yield text("→ relay dead: what failed, and what to do about it")


def _wrapped(line: str, width: int) -> str:
    """A line below its row; a newline in what Customer.io said is shown, not obeyed."""
    return click.wrap_text(plain(line), width, "  ", "    ")


def _row(item: dict[str, Any], now_ms: int, rate: tuple[float, ...] | None, *, full: bool) -> list[str]:
    hold = item["hold"]
    lasted = f" {span((now_ms - hold.since_ms) // 1000 * 1000)}" if hold and now_ms - hold.since_ms >= 1000 else ""
    delays = _NONE if item["p50_ms"] is None else f"{delay(item['p50_ms'])} / {delay(item['p99_ms'])}"
    return [
        item["integration"],
        _MARKS[item["state"]] + lasted.replace(".0 s", " s"),
        _recent(item["last_15_min"], rate, full=full),
        delays,
        count(item["waiting"]),
        count(item["dead"]),
        "→ relay dead" if item["dead"] else "",
    ]


def _recent(figures: dict[str, int] | None, rate: tuple[float, ...] | None, *, full: bool) -> str:
    """What came and what became of it lately; with a rate, that of this moment."""
    if figures is None:
        return _NONE
    parts = [f"{count(figures['received'])} in", f"{count(figures['sent'])} sent"]
    if full:
        parts += [f"{count(figures[what])} {what}" for what in ("filtered", "failed") if figures[what]]
    if rate is not None:
        parts.append(f"now {per_s(rate[0])} in, {per_s(rate[1])} sent")
    return " · ".join(parts)


def _source_line(source: dict[str, Any]) -> str:
    line = (
        f"source {source['source']}: {count(source['accepted'])} stored, {several(source['duplicates'], 'duplicate')}"
    )
    if source["lost"]:
        line += f"; Redis lost {count(source['lost'])}, {count(source['restored'])} of them came back"
    if not source["conflicting"]:
        return line
    return f"{line}; {count(source['conflicting'])} stored under an event id that was in use for another event"


def _refused_lines(refused: list[Refused]) -> Iterator[str]:
    """Requests that the web doors refused within the hour: a line for each source."""
    for source in sorted({one.source for one in refused}, key=lambda name: (not name, name)):
        found = [one for one in refused if one.source == source]
        total = several(sum(one.requests for one in found), "request")
        causes = ", ".join(
            f"{_REFUSED.get(one.status, 'not taken')} ({one.status}) {count(one.requests)}" for one in found
        )
        yield f"{source or 'no source of ours'}: {total} refused within the hour: {causes}"


def _past_line(past: dict[str, Any], now_ms: int) -> str:
    files = past["archive"].files
    archived = f"; {several(files, 'file')} archived" if files else ""
    if past["since_ms"] is None:
        return f"no event is kept{archived}"
    reach = span(max(0, now_ms - past["since_ms"]))
    return f"the past reaches back {reach} (retention {span(past['retention_s'] * 1000)}){archived}"


def _processes_line(state: dict[str, Any]) -> str:
    alive = [one for one in state["processes"] if one["alive"]]
    roles = Counter(one["role"] for one in alive)
    children = several(roles.pop("child", 0), "worker child", "worker children")
    who = ", ".join(f"{number} {role}" for role, number in sorted(roles.items())) or "none"
    who += f" ({children})" if not children.startswith("0") else ""
    return f"revision {state['revision'] or 'none'}; processes alive: {who}"


def details(item: dict[str, Any]) -> Iterator[str]:
    """What the table has no room for, in lines."""
    shadowed = item["filtered"].get("shadow", 0)
    if item["state"] == "shadow" or shadowed:
        now = "; send = false" if item["state"] == "shadow" else ""
        yield f"{item['integration']} in shadow: {count(shadowed)} would have been sent{now}"
    if filtered := filtered_of(item):
        reasons = sorted(filtered.items(), key=lambda pair: -pair[1])
        yield f"{item['integration']} filtered: {', '.join(f'{reason} {count(number)}' for reason, number in reasons)}"
    if item["properties_rejected"]:
        number = count(item["properties_rejected"])
        yield f"{item['integration']} properties refused: {number}; `relay dead list --reason properties_rejected`"
    if item["waiting"]:
        yield f"{item['integration']} oldest waiting: {span(item['oldest_waiting_ms'])}"
    if item["unaccounted"]:
        yield f"{item['integration']} unaccounted: {item['unaccounted']}; `relay audit` says where"


def filtered_of(item: dict[str, Any]) -> dict[str, int]:
    """What was filtered, by reason; what would have been sent is counted apart."""
    return {reason: number for reason, number in item["filtered"].items() if number and reason != "shadow"}


def delay(milliseconds: int | None) -> str:
    """A delay for a narrow column: its largest unit alone."""
    return "-" if milliseconds is None else " ".join(span(milliseconds).split()[:2])


def _why(item: dict[str, Any], now_ms: int) -> str:
    """Why an integration is held, in a sentence."""
    hold = item["hold"]
    # without a status nobody answered: the words are the relay's own
    answer = (
        f' ({hold.status} "{hold.message}")' if hold.status and hold.message else f" ({hold.status or hold.message})"
    )
    answer = answer.replace(" ()", "")
    due_s = (hold.next_probe_ms - now_ms) // 1000
    test = f", next test in {span(due_s * 1000).replace('.0 s', ' s')}" if due_s > 0 else ", next test due"
    match hold.kind:
        case "unauthorized" if hold.status == HTTPStatus.PAYMENT_REQUIRED:
            return f"Customer.io wants the account to be paid{answer}{test}."
        case "unauthorized":
            return f"Customer.io rejects its key{answer}{test}."
        case "unreachable" if is_refused(hold.kind, hold.status):
            return f"Customer.io refuses every event that it can be sent now{answer}{test}."
        case "unreachable":
            return f"Customer.io does not answer, or with errors{answer}{test}."
        case "misdirected":
            return f"Something else than Customer.io answers{answer}{test}."
        case "operator":
            return f"Held by an operator{f': {hold.message}' if hold.message else ''}."
        case "dead_limit":
            return f"Too many failed events{f': {hold.message}' if hold.message else ''}."
    what = "What is stored of a person cannot be read" if hold.kind == "unknown_state" else hold.kind
    return f"{what}{f': {hold.message}' if hold.message else ''}{test}."


def _fix(item: dict[str, Any], file: str) -> list[str]:
    """What ends a hold, where `file` owns the configuration: commands with the names; and what they do not say."""
    hold = item["hold"]
    steps = hold_steps(hold.kind, item["integration"], item["key"] or "its api_key", file, hold.status)
    note = hold_note(hold.kind, item["key"])
    said = f"Fix: {steps}" if steps else hold_advice(hold.kind, file, hold.status, item["integration"])
    return [said, *filter(None, [note])]
