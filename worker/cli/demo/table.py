"""Table of the demo: one row an integration, with the whole books of the short time that it has run."""

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table

from worker.cli.printing import count
from worker.cli.status_picture import COLOURS, delay, details, filtered_of, text


def integrations_table(items: list[dict[str, Any]]) -> RenderableType:
    """One row an integration; what was filtered and waits, in lines below."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("integration", no_wrap=True, overflow="ellipsis", min_width=11)
    table.add_column("state", no_wrap=True, min_width=5)
    for name in ("accepted", "delivered", "filtered", "dead", "waiting", "p50", "p99"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in items:
        table.add_row(
            text(item["integration"]),
            text(item["state"], style=COLOURS[item["state"]]),
            text(count(item["accepted"])),
            text(count(item["delivered"])),
            text(count(sum(filtered_of(item).values()))),
            text(count(item["dead"]), style="yellow" if item["dead"] else ""),
            text(count(item["waiting"])),
            text(delay(item["p50_ms"])),
            text(delay(item["p99_ms"])),
        )
    return Group(table, "", *[text(line) for item in items for line in _lines(item)])


def _lines(item: dict[str, Any]) -> list[str]:
    dead = f"{item['integration']} dead: {count(item['dead'])}; `relay dead` says why and what to do"
    return [*details(item), *([dead] if item["dead"] else [])]
