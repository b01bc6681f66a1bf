"""What it costs when Redis is further away: delivery, latency and ingest, each with a round trip more.

python -m bench.distance      delivery at 0, 2 and 5 ms; received to delivered and ingest at 0 and 5 ms
"""

import sys

from bench.delivery import full
from bench.ingest import INTEGRATIONS, PEOPLE, SECRET, TOKEN, Web, webhook
from bench.latency import latency
from bench.setting import Setting, event, machine, onlookers

EVENTS, REQUESTS, CONNECTIONS, RATE = 100_000, 15_000, 64, 300


def delivery(round_trip_ms: float, pool: str = "threads", concurrency: int = 0) -> dict[str, float]:
    """One worker process that drains a backlog on 16 shards."""
    with onlookers(), Setting(port=8497, shards=16) as setting:
        setting.away(round_trip_ms)  # at 0 ms too: the wire itself costs something
        return full(setting, EVENTS, EVENTS // 3, concurrency, pool=pool)


def ingest(round_trip_ms: float, connections: int = CONNECTIONS) -> dict[str, float]:
    """Signed singles, one at a time on each connection."""
    with onlookers(), Setting() as setting:
        (setting.path / "integrations.toml").write_text(INTEGRATIONS.replace("{port}", str(setting.port)))
        setting.env |= {"B_SECRET": SECRET, "B_TOKEN": TOKEN}
        setting.away(round_trip_ms)
        web = Web(setting)
        for first in (0, REQUESTS):  # the first one warms up
            found = web.measure([webhook(event(first + n, PEOPLE)) for n in range(REQUESTS)], connections, REQUESTS)
        return found


def main() -> None:
    """Print a table."""
    print(f"measured on {machine()}")
    near = delivery(0)
    print(f"| delivery, one worker process, Redis next door | {near['events_per_s']:,.0f}/s | |", flush=True)
    for round_trip_ms in (2, 5):
        share = delivery(round_trip_ms)["events_per_s"] / near["events_per_s"]
        print(
            f"| the same, {round_trip_ms} ms away, as a share | {share:.2f} | {'≥ 0.8' * (round_trip_ms == 2)} |",
            flush=True,
        )
    for round_trip_ms in (0, 5):
        found = latency(RATE, 10, round_trip_ms=round_trip_ms)
        figures = f"p50 {found['p50_ms']:.0f}, p99 {found['p99_ms']:.0f}, worst {found['worst_ms']:.0f} ms"
        target = "p99 ≤ 250 ms" * (round_trip_ms == 5)
        print(f"| received to delivered at {RATE} events/s, {round_trip_ms} ms | {figures} | {target} |", flush=True)
    for round_trip_ms, connections in ((0, 64), (5, 64), (5, 128)):
        found = ingest(round_trip_ms, connections)
        target = "≥ 12,000/s" * (round_trip_ms == 5 and connections == 64)
        what = f"ingest of singles over {connections} connections, {round_trip_ms} ms"
        print(f"| {what} | {found['per_s']:,.0f}/s, {found['cpu_us']:.0f} µs | {target} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
