"""Ingest: signed webhooks and arrays of 100 against a server that answers 200 without looking.

    python -m bench.ingest [--rounds 5] [--requests 20000] [--connections 64] [--out FILE]

Each round measures all three, one after the other, on fresh events; what counts is the median of the rounds.
"""

import argparse
import hmac
import json
import os
import select
import shlex
import socket
import statistics
import sys
import time
import urllib.request
from pathlib import Path

from bench.setting import ROOT, Setting, event, kill_tree, machine

SECRET, TOKEN = "bench-secret", "bench-token"
ARRAY = 100
ANSWER = b'{"accepted": 1, "duplicates": 0}'
PEOPLE = 5000
INTEGRATIONS = """
[sources.app]
webhook_secret = "env:B_SECRET"
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
"""


async def blind(scope, receive, send):
    """An application that reads the body and answers."""
    if scope["type"] != "http":
        return
    while (await receive())["more_body"]:
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def webhook(body: bytes) -> bytes:
    """A request as Purchasely makes it."""
    timestamp = b"1698322022"
    signature = hmac.digest(SECRET.encode(), timestamp + body, "sha256").hex()
    head = (
        "POST /webhooks/purchasely/app HTTP/1.1\r\nHost: relay\r\nAccept: application/json\r\n"
        "Content-Type: application/json\r\nUser-Agent: bench\r\n"
        f"X-PURCHASELY-REQUEST-SIGNATURE: {signature}\r\nX-PURCHASELY-TIMESTAMP: {timestamp.decode()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def array(bodies: list[bytes]) -> bytes:
    """A request as an upstream service makes it."""
    body = b"[" + b",".join(bodies) + b"]"
    head = (
        "POST /v1/events/app HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def drive(port: int, requests: list[bytes], connections: int) -> float:
    """Send all requests, one at a time on each connection; the seconds it took."""
    poll = select.epoll()
    sockets = {}
    for _ in range(min(connections, len(requests))):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[one.fileno()] = one
        poll.register(one, select.EPOLLIN)
    began = time.perf_counter()
    left = iter(requests)
    for one in sockets.values():
        one.sendall(next(left))
    open_ones = len(sockets)
    while open_ones:
        for number, _ in poll.poll():
            one = sockets[number]
            answer = one.recv(65536)
            while not answer.endswith(b"}"):
                answer += one.recv(65536) or b"}"
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"not 200: {answer!r}")
            request = next(left, None)
            if request is None:
                open_ones -= 1
            else:
                one.sendall(request)
    took_s = time.perf_counter() - began
    for one in sockets.values():
        one.close()
    poll.close()
    return took_s


class Web:
    """The Procfile's web process, or the same with another application, on a core of its own where there are two."""

    def __init__(self, setting: Setting, app: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        lines = (ROOT / "Procfile").read_text().splitlines()
        command = next(line.partition(":")[2] for line in lines if line.startswith("web:"))
        command = command.replace("--factory worker.ingest:create", app)
        setting.env |= {"RELAY_HOST": "127.0.0.1", "PORT": str(self.port)}
        pin = "import os,sys; os.sched_setaffinity(0, {0}); os.execv(sys.argv[1], sys.argv[1:])"
        argv = ["/bin/sh", "-c", f"exec {shlex.quote(sys.executable)} -m {command}"]
        self.process = setting.start(*([sys.executable, "-c", pin, *argv] if (os.cpu_count() or 1) > 1 else argv))
        ends = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                if time.monotonic() > ends or self.process.poll() is not None:
                    raise SystemExit((setting.path / "log").read_text()[-3000:]) from None
                time.sleep(0.05)


def measure(setting: Setting, rounds: int, count: int, connections: int) -> list[dict[str, float]]:
    """Events a second of each kind, round by round."""
    blind_web, web = Web(setting, "bench.ingest:blind"), Web(setting, "--factory worker.ingest:create")
    found = []
    for turn in range(-1, rounds):  # the first one warms up
        first = (turn + 1) * 2 * count
        singles = [webhook(event(first + n, PEOPLE)) for n in range(count)]
        blind_s = drive(blind_web.port, singles, connections)
        single_s = drive(web.port, singles, connections)
        many = [
            array([event(first + count + n, PEOPLE) for n in range(start, min(start + ARRAY, count))])
            for start in range(0, count, ARRAY)
        ]
        array_s = drive(web.port, many, min(connections, 16))
        stored = sum(setting.redis.xlen(key) for key in setting.redis.keys("relay:*:events:*"))
        assert stored == 2 * count, f"{stored} of {2 * count} stored"
        for key in setting.redis.keys("relay:*:events:*"):
            setting.redis.xtrim(key, maxlen=0, approximate=False)
        figures = {"blind": count / blind_s, "single": count / single_s, "array": count / array_s}
        if turn >= 0:
            found.append(figures)
            print("  ".join(f"{name} {value:8.0f}/s" for name, value in figures.items()), file=sys.stderr)
    for process in (blind_web.process, web.process):
        kill_tree(process)
    return found


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})  # the load and Redis share the other core
    with Setting() as setting:
        (setting.path / "integrations.toml").write_text(INTEGRATIONS.replace("{port}", str(setting.port)))
        setting.env |= {"B_SECRET": SECRET, "B_TOKEN": TOKEN}
        rounds = measure(setting, chosen.rounds, chosen.requests, chosen.connections)
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    ratios = {
        "single_to_blind": statistics.median(one["single"] / one["blind"] for one in rounds),
        "array_to_single": statistics.median(one["array"] / one["single"] for one in rounds),
    }
    report = json.dumps({"events_per_s": median, "ratios": ratios, "rounds": rounds, "machine": machine()}, indent=2)
    print(report)
    if chosen.out:
        chosen.out.write_text(report + "\n")


if __name__ == "__main__":
    main()
