"""How long the figures of many lanes take to read when Redis is not next door: `/metrics`, status, audit, sweep, trim.

python -m bench.lanes [SHARDS] [INTEGRATIONS] [ROUND_TRIP_MS]      256, 5 and 2 by default
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import requests

from bench.delivery import fill, join
from bench.setting import Setting, machine
from config.settings import Settings
from tests.support.servers import free_port
from worker.app import Relay
from worker.cli.status import read
from worker.ledger.figures import Ledger
from worker.upkeep.rounds import Rounds

EVENTS = 20_000


def seconds(work: Callable[[], object], rounds: int = 5) -> float:
    """The median of what it takes."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def lanes(shards: int = 256, integrations: int = 5, round_trip_ms: float = 2) -> dict[str, float]:
    """Seconds of each, with events that wait on every lane."""
    with Setting(port=8495, own_sink=False, shards=shards, integrations=integrations) as setting:
        join(setting)
        fill(setting.redis, EVENTS, EVENTS // 3, shards)
        setting.away(round_trip_ms)
        for name, value in setting.env.items():
            if name.startswith(("RELAY_", "B_")):
                os.environ[name] = value
        parts = Relay(Settings())
        parts.live.begin("bench")
        web = free_port()
        setting.start(
            sys.executable, "-m", "uvicorn", "--factory", "worker.ingest.app:create", "--port", str(web),
            "--no-access-log",
        )  # fmt: skip
        with requests.Session() as session:
            session.trust_env = False

            def scrape() -> None:
                answer = session.get(f"http://127.0.0.1:{web}/metrics", timeout=30)
                assert answer.status_code == 200, answer.status_code
                assert b"relay_waiting_events" in answer.content

            for _ in range(100):
                try:
                    scrape()
                except requests.ConnectionError:
                    time.sleep(0.2)
                else:
                    break
            found = {"/metrics": seconds(scrape)}
        return found | {
            "relay status": seconds(lambda: read(parts)),
            "relay audit": seconds(lambda: Ledger(parts).audit()),
            "joining every group": seconds(parts.join),
            "the first sweep, every lane to wake": seconds(lambda: Rounds(parts).sweep(), 1),
            "a sweep": seconds(lambda: Rounds(parts).sweep()),
            "a trim": seconds(lambda: Rounds(parts).trim(), 3),
        }


if __name__ == "__main__":
    print(machine())
    for what, took_s in lanes(*[int(one) for one in sys.argv[1:]]).items():
        print(f"{what:40} {took_s:6.2f} s")
