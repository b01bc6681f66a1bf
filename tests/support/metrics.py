"""`python -m tests.support.metrics`: write the table of docs/metrics.md from the code; and the figures of a test."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from worker.ingest.meter import Meter
from worker.ledger.accounts import Account
from worker.ledger.fleet import Fleet
from worker.ledger.headroom import Bound
from worker.ledger.metrics import Figures, render
from worker.ledger.operation import Operation
from worker.ledger.past import Past
from worker.ledger.requests import Requests
from worker.store.archive_state import ArchiveState
from worker.store.holds import Hold
from worker.store.processes import Process

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
_NOW_MS = 1_760_000_000_000


def figures() -> Figures:
    """Figures with a value for every metric and every label."""
    roles = ("web", "worker", "child", "beat", "console")
    hold = Hold("unreachable", "relay", _NOW_MS - 60_000, 3, _NOW_MS, 503, "")
    account = Account(
        "production",
        "app",
        enabled=True,
        hold=hold,
        accepted=12,
        delivered=5,
        filtered={"event_off": 2},
        dead=3,
        waiting=2,
        oldest_ms=4000,
        latency={"500": 4, "inf": 1},
        latency_ms=1500,
    )
    return Figures(
        intake={"app": {"accepted": 12, "duplicates": 1, "conflicting": 0, "lost": 0, "restored": 0}},
        accounts=[account],
        bounds=[Bound("memory", "", 10, 100), Bound("dead letters", "production", 3, 100)],
        fleet=Fleet(3, _NOW_MS, _NOW_MS, [Process("host", 7, role, "1.0", 3, _NOW_MS) for role in roles]),
        past=Past(_NOW_MS, ArchiveState()),
        operation=Operation(
            {"production": 1},
            4,
            {"production": Requests({"200": 2, "none": 1}, {"100": 3}, 200)},
            {("production", "rejected"): 3},
            9,
            {"held": 1},
        ),
    )


def exposition() -> str:
    """What /metrics serves, on the host that exports what is of all."""
    meter = Meter()
    for route in ("/webhooks/purchasely", "/v1/events"):
        for status in (200, 401, 503):
            meter.add(route, status, 0.003)
    return (meter.render() + render(figures())).decode()


def table() -> str:
    """A row a metric: name, type, labels, meaning."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in sorted(text_string_to_metric_families(exposition()), key=lambda one: one.name):
        if family.name.startswith(("process_", "python_")):
            continue
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label: "" for sample in family.samples for label in sample.labels if label != "le"}
        said = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {family.type} | {said} | {family.documentation} |")
    return "\n".join(rows)


def written(page: str) -> str:
    """The page with its table as it should be."""
    before, rest = page.split("<!-- metrics -->\n", 1)
    after = rest.split("<!-- /metrics -->", 1)[1]
    return f"{before}<!-- metrics -->\n{table()}\n<!-- /metrics -->{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
