"""What an open console costs the door and the workers: webhooks answered and delivered, without and with ten tabs.

python -m bench.tabs [ROUNDS] [TABS]      5 rounds of 15 s each way at 200 webhooks/s, ten tabs, by default

Every tab listens to the console's stream and fetches its region again when that is stale, as its script does; besides,
somebody opens another page each second. A delivery that took over a second is printed with its shard, and with what the
relay's processes said and how often the server rewrote its file: one shard alone is a lease, all of them a hold. The
last column is how much of the machine was idle: where that is nothing, others took it, and the round says nothing.
"""

import asyncio
import itertools
import statistics
import subprocess
import sys
import threading
import time
from typing import Any, NamedTuple

import orjson
import psutil

from bench.delivery import join
from bench.history import fill
from bench.ingest import SECRET, webhook
from bench.latency import ANSWER
from bench.setting import Setting, cpu_s, event, kill_tree, machine
from config.roles import Role
from tests.support.consoledoor import Browser
from tests.support.deadseed import seed
from tests.support.servers import free_port
from tests.support.waiting import until
from worker.machine.processes import PROCFILE
from worker.purchasely.person import shard_of
from worker.store.links import new_link

RATE = 200
SECONDS = 15.0
CONNECTIONS = 16
EVENTS, FAILURES, SHARDS = 100_000, 1000, 16
SLOW_MS = 1000.0
OPEN = ("/", "/activity", "/failures", "/jobs", "/?span=7d")
CLICKED = ("/integrations", "/integrations/production?tab=events", "/history", "/people?id=user-7", "/settings")
LIVE = {"X-Relay-Live": "1"}


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Times(NamedTuple):
    """Milliseconds from when a webhook was due to its answer, and from its sending to its delivery."""

    answered: list[float]
    delivered: list[float]
    slow: list[str]


def sit(url: str, link: str, tabs: int) -> None:
    """Keep tabs open until killed; in a process of its own, so that it takes no time of the sender's."""
    browser = Browser(url)
    browser.post(link)

    def tab(place: str) -> None:
        mine = Browser(url)
        mine.cookies.update(browser.cookies)
        mine.get(place)
        stream = mine.get("/live", headers={"Accept": "text/event-stream"}, stream=True, timeout=60)
        for line in stream.iter_lines(chunk_size=1):
            if line.startswith(b"data:"):
                mine.get(place, headers=LIVE)

    for _, place in zip(range(tabs), itertools.cycle(OPEN), strict=False):
        threading.Thread(target=tab, args=(place,), daemon=True).start()
    for place in itertools.cycle(CLICKED):
        browser.get(place)
        time.sleep(1)


class Door:
    """Sends webhooks at a steady rate, and is the Customer.io that they come to."""

    def __init__(self, port: int, sink: int) -> None:
        self._port = port
        self._sink = sink
        self._numbers = itertools.count(1_000_000)
        self._times = Times([], [], [])

    async def open(self) -> None:
        """Be there for deliveries, until the loop ends."""
        await asyncio.start_server(self._deliver, "127.0.0.1", self._sink)

    async def run(self, rate: float, seconds: float) -> Times:
        """All times of some seconds."""
        self._times = Times([], [], [])
        free: asyncio.Queue[Connection] = asyncio.Queue()
        opened = [await asyncio.open_connection("127.0.0.1", self._port) for _ in range(CONNECTIONS)]
        for one in opened:
            free.put_nowait(one)
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for count in range(int(rate * seconds)):
                due = began + count / rate
                await asyncio.sleep(due - time.perf_counter())
                group.create_task(self._send(free, due))
        await asyncio.sleep(1)
        for _, writer in opened:
            writer.close()
        return self._times

    async def _send(self, free: asyncio.Queue[Connection], due: float) -> None:
        reader, writer = await free.get()
        body = orjson.dumps(orjson.loads(event(next(self._numbers), 5000)) | {"content_id": time.time_ns()})
        writer.write(webhook(body))
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        assert head.startswith(b"HTTP/1.1 200"), head
        self._times.answered.append((time.perf_counter() - due) * 1000)
        free.put_nowait((reader, writer))

    async def _deliver(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                batch = orjson.loads(await reader.readexactly(length))["batch"]
            except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
                return
            now_ns = time.time_ns()
            for one in batch:
                if one["action"] == "event" and (at := one["attributes"].get("content_id")):
                    took_ms = (now_ns - at) / 1e6
                    self._times.delivered.append(took_ms)
                    if took_ms > SLOW_MS:
                        shard = shard_of(one["identifiers"].get("id", ""), SHARDS)
                        sent = time.strftime("%H:%M:%S", time.gmtime(at / 1e9))
                        self._times.slow.append(f"  sent {sent} UTC, delivered after {took_ms:.0f} ms, shard {shard}")
            writer.write(ANSWER)


def begin(setting: Setting, web: int, console: int) -> subprocess.Popen[bytes]:
    """The Procfile's processes over events and failures of some days; the console's process."""
    file = setting.path / "integrations.toml"
    file.write_text(file.read_text().replace("tokens =", 'webhook_secret = ["env:B_SECRET"]\ntokens =', 1))
    setting.env |= {
        "B_SECRET": SECRET,
        "RELAY_HOST": "127.0.0.1",
        "RELAY_PORT": str(web),
        "RELAY_CONSOLE_PORT": str(console),
        "RELAY_CONSOLE_LOGIN": "link",
    }
    join(setting)
    fill(setting.redis, EVENTS, SHARDS)
    seed(setting.redis, FAILURES, SHARDS)
    started = {
        name: setting.start("/bin/sh", "-c", f'exec "$0" -m {PROCFILE[name]}', sys.executable)
        for name in ("console", "worker", "beat", "web")
    }
    return started["console"]


async def rounds(number: int, tabs: int) -> None:
    """Both ways in turn; prints each round and the medians."""
    web, console, sink = free_port(), free_port(), free_port()
    found: dict[bool, list[list[float]]] = {False: [], True: []}
    with Setting(port=sink, own_sink=False, shards=SHARDS) as setting:
        process = begin(setting, web, console)
        door, url = Door(web, sink), f"http://127.0.0.1:{console}"
        until(lambda: answers(f"http://127.0.0.1:{web}", "/readyz"), "the door serves")
        until(lambda: answers(url, "/healthz"), "the console serves")
        await door.open()
        await door.run(RATE, 3)
        for count in range(2 * number):
            is_open = bool(count % 2)
            sitting = sit_down(setting, url, tabs) if is_open else None
            await asyncio.sleep(3)
            spent, before = cpu_s(process), psutil.cpu_times()
            times = await door.run(RATE, SECONDS)
            spent, idle = cpu_s(process) - spent, idle_since(before)
            if sitting:
                kill_tree(sitting)
            row = [*percentiles(times.answered), *percentiles(times.delivered), spent / (SECONDS + 1) * 100, idle]
            found[is_open].append(row)
            print(f"{tabs if is_open else 0:3} tabs", "  ".join(f"{one:7.1f}" for one in row), flush=True)
            if times.slow:
                explain(setting, times.slow)
    show(found, tabs)


def idle_since(before: Any) -> float:
    """How much of the machine's time was nobody's, in percent."""
    spent = [now - then for now, then in zip(psutil.cpu_times(), before, strict=True)]
    return 100 * spent[before._fields.index("idle")] / (sum(spent) or 1)


def explain(setting: Setting, slow: list[str]) -> None:
    """What there is to say of slow deliveries: which they were, the processes' warnings, the server's file."""
    said = (setting.path / "log").read_text(errors="replace").splitlines()
    server = setting.redis.info("persistence")
    print("\n".join([f"  {len(slow)} deliveries took over {SLOW_MS:.0f} ms:", *slow[:20], *said[-20:]]))
    rewrites, waits = server["aof_rewrites"], server["aof_delayed_fsync"]
    print(f"  the server rewrote its file {rewrites} times and waited for the disk {waits} times")


def sit_down(setting: Setting, url: str, tabs: int) -> subprocess.Popen[bytes]:
    """Somebody logs in and opens tabs: a process."""
    link = f"/login/link/{new_link(setting.redis, Role.ADMIN, 'bench', 60)}"
    return setting.start(sys.executable, "-m", "bench.tabs", "sit", url, link, str(tabs))


def show(found: dict[bool, list[list[float]]], tabs: int) -> None:
    """Print the medians of the rounds."""
    print("medians: answered p50, p99 (ms); delivered p50, p99 (ms); console's CPU (% of a core); idle (%)")
    for is_open, rows in found.items():
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"{tabs if is_open else 0:3} tabs", "  ".join(f"{one:7.1f}" for one in middle))


def answers(url: str, place: str) -> bool:
    """Whether a process answers 200."""
    try:
        return bool(Browser(url).get(place).status_code == 200)
    except OSError:
        return False


def percentiles(values: list[float]) -> tuple[float, float]:
    """The median, and what 99 of 100 stay below."""
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[98]


if __name__ == "__main__":
    if sys.argv[1:2] == ["sit"]:
        sit(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        print(machine())
        asyncio.run(rounds(*[int(one) for one in [*sys.argv[1:], *("5", "10")[len(sys.argv) - 1 :]]]))
