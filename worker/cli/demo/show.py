"""Output of the demo: its progress, and the result."""

from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from worker.cli.demo.table import integrations_table
from worker.cli.demo.traffic import CONNECTIONS, Traffic
from worker.cli.printing import count, several, span

_LAST_EVENTS = 4

TITLE = """\
[b]relay demo[/]  months of a subscription app in seconds, in a temporary folder

  Purchasely  ->  web  ->  Valkey  ->  Celery worker  ->  Customer.io
   (played)                                               (simulated)
"""
NEXT = """
[b]What next[/]
  look around in it      relay demo --keep
  check a file of yours  RELAY_INTEGRATIONS=my.toml relay check
  the real thing         RELAY_INTEGRATIONS=my.toml relay up"""


class Progress:
    """The picture while events flow: how many are sent, and how many of them are settled."""

    def __init__(self, traffic: Traffic, integrations: int) -> None:
        self._traffic = traffic
        self._bars = Bars(TextColumn("  {task.description:10}"), BarColumn(40), MofNCompleteColumn())
        self._sent = self._bars.add_task("sent", total=traffic.total)
        self._settled = self._bars.add_task("settled", total=traffic.total * integrations)
        self._integrations = integrations

    def picture(self, items: list[dict[str, Any]]) -> RenderableType:
        """The picture of this moment."""
        traffic = self._traffic
        settled = sum(item["accepted"] - item["waiting"] for item in items)
        # a duplicate is settled at the door
        self._bars.update(self._sent, completed=traffic.sent)
        self._bars.update(self._settled, completed=settled + traffic.duplicates * self._integrations)
        return Group(Text(), self._bars, integrations_table(items))

    def line(self, items: list[dict[str, Any]]) -> str:
        """The same for a place without a terminal."""
        sums = {name: sum(item[name] for item in items) for name in ("delivered", "dead", "waiting")}
        traffic = self._traffic
        told = ", ".join(f"{name} {number}" for name, number in sums.items())
        where = f"in {several(self._integrations, 'integration')} together"  # each counts every event
        return f"sent {traffic.sent} of {traffic.total}, accepted {traffic.accepted}; {where}: {told}"


def _show_people(console: Console, people: list[dict[str, Any]], properties: list[str]) -> None:
    """Sample people, side by side, as Customer.io has them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True, min_width=max(map(len, properties), default=0))
    for person in people:
        table.add_column(Text(person["identifiers"].get("id", "?")), overflow="fold")
    for name in properties:
        table.add_row(Text(name), *[_value(name, person["attributes"].get(name)) for person in people])
    table.add_section()
    table.add_row("events", *[count(person["event_count"]) for person in people])
    newest = [person["events"][::-1][:_LAST_EVENTS] for person in people]
    table.add_row("last on", *[_day(events[0]["timestamp"]) if events else "" for events in newest])
    table.add_row("newest first", *[Text("\n".join(event["name"] for event in events)) for events in newest])
    console.print(table)


def _value(name: str, value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text(str(value).lower(), style="green" if value else "red")
    if name.endswith("_at") and isinstance(value, int):
        return Text(_day(value))
    return Text(str(value))


def _day(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")


def show(console: Console, outcome: dict[str, Any], properties: list[str], traffic: Traffic, ready_s: float) -> None:
    """The whole outcome; `properties` are the attributes of people, in the order of the integrations file."""
    if not console.is_terminal:
        console.print(integrations_table(outcome["items"]))
    console.print()
    console.print("[b]Three people[/] as Customer.io has them now (dates arrive as Unix seconds)")
    _show_people(console, outcome["people"], properties)
    _show_figures(console, outcome["items"], traffic, ready_s)
    for message, holds in outcome["checks"].items():
        console.print(f"  {'[green]✓[/]' if holds else '[bold red]✗[/]'}  {message}")
    for finding in outcome["findings"]:
        console.print(Text(f"       {finding.integration} on shard {finding.shard}: {finding.text}", style="red"))
    console.print(NEXT)


def balance(item: dict[str, Any]) -> str:
    """The books of an integration in one line."""
    filtered = sum(item["filtered"].values())
    return (
        f"{item['integration']}: {count(item['accepted'])} = {count(item['delivered'])} delivered"
        f" + {count(filtered)} filtered + {count(item['dead'])} dead + {count(item['waiting'])} waiting"
    )


def _show_figures(console: Console, items: list[dict[str, Any]], traffic: Traffic, ready_s: float) -> None:
    per_s = traffic.sent / traffic.took_s if traffic.took_s else 0
    pace = ", as paced" if traffic.is_on_pace else f" over {CONNECTIONS} connections"
    console.print(
        f"[b]{count(traffic.sent)} signed requests[/] in {traffic.took_s:.1f} s ({count(per_s)}/s{pace}), "
        f"{count(traffic.duplicates)} of them redeliveries"
    )
    for item in items:
        if item["p50_ms"] and item["p99_ms"]:
            times = f"half within {span(item['p50_ms'])}, 99 % within {span(item['p99_ms'])}"
            console.print(f"  {item['integration']}: received to delivered, {times}")
    if traffic.retries:
        console.print(f"  {count(traffic.retries)} requests had to be made again")
    console.print(f"  all processes were up after {ready_s:.1f} s\n")
