"""Ingest: signed webhooks and arrays of 100 against servers that answer 200 without looking.

    python -m bench.ingest [--rounds 9] [--requests 10000] [--connections 64] [--flags "..."] [--out FILE]

Each round measures all four, one after the other, on fresh events; what counts is the median of the rounds. Our door
runs by the Procfile's own line (and `--flags`), the two blind servers by the same on uvicorn's own protocol: `blind` is
Falcon on uvicorn, as the door is, `bare` an ASGI function of five lines, the least that uvicorn can serve. CPU time is
that of the web process; it suffers less from neighbours than the rate does.
"""

import argparse
import hmac
import json
import re
import select
import shlex
import socket
import statistics
import sys
import time
import urllib.request
from pathlib import Path

import falcon.asgi

from bench.setting import ROOT, Setting, cpu_s, event, machine, onlookers, own_core

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


async def bare(scope, receive, send):
    """An application that reads the body and answers."""
    if scope["type"] != "http":
        return
    while (await receive())["more_body"]:
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


class _Blind:
    """A resource that reads the body and answers."""

    async def on_post(self, req, resp, source):  # noqa: ARG002 - the route has it
        await req.stream.read()
        resp.data, resp.content_type = ANSWER, "application/json"


class _Well:
    """Says that it serves."""

    async def on_get(self, _, resp):
        resp.data = b"{}"


def blind():
    """The same in Falcon, as an application has it: routes, resources, responses."""
    app = falcon.asgi.App()
    app.add_route("/webhooks/purchasely/{source}", _Blind())
    app.add_route("/readyz", _Well())
    return app


def webhook(body: bytes) -> bytes:
    """A request as Purchasely makes it."""
    timestamp = b"%d" % time.time()
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

    def __init__(self, setting: Setting, app: str = "", flags: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        lines = (ROOT / "Procfile").read_text().splitlines()
        command = next(line.partition(":")[2] for line in lines if line.startswith("web:"))
        if app:
            command = re.sub(r" --http \S+", "", command.replace("--factory worker.ingest.app:create", app))
        setting.env |= {"RELAY_HOST": "127.0.0.1", "PORT": str(self.port)}
        argv = ("/bin/sh", "-c", f"exec {shlex.quote(sys.executable)} -m {command} {flags}")
        self.process = setting.start(*own_core(*argv))
        ends = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                    return
            except OSError:
                if time.monotonic() > ends or self.process.poll() is not None:
                    raise SystemExit((setting.path / "log").read_text()[-3000:]) from None
                time.sleep(0.05)

    def measure(self, requests: list[bytes], connections: int, events: int) -> dict[str, float]:
        """Events a second, and CPU microseconds of this process an event."""
        before_s = cpu_s(self.process)
        took_s = drive(self.port, requests, connections)
        return {"per_s": events / took_s, "cpu_us": (cpu_s(self.process) - before_s) / events * 1e6}


def one_round(
    setting: Setting, bare_web: Web, blind_web: Web, web: Web, first: int, count: int, connections: int
) -> dict[str, dict[str, float]]:
    """All four kinds on fresh events, numbered from `first`."""
    singles = [webhook(event(first + n, PEOPLE)) for n in range(count)]
    bodies = [event(first + count + n, PEOPLE) for n in range(count)]
    many = [array(bodies[start : start + ARRAY]) for start in range(0, count, ARRAY)]
    found = {
        "bare": bare_web.measure(singles, connections, count),
        "blind": blind_web.measure(singles, connections, count),
        "single": web.measure(singles, connections, count),
        "array": web.measure(many, min(connections, 16), count),
    }
    streams = setting.redis.keys("relay:*:events:*")
    stored = sum(setting.redis.xlen(key) for key in streams)
    assert stored == 2 * count, f"{stored} of {2 * count} stored"
    for key in streams:
        setting.redis.xtrim(key, maxlen=0, approximate=False)
    print(
        "  ".join(f"{kind} {one['per_s']:7.0f}/s {one['cpu_us']:5.1f} us" for kind, one in found.items()),
        file=sys.stderr,
    )
    return found


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, object]:
    """Medians, and medians of the ratios within each round."""

    def ratio(above: str, below: str, figure: str) -> float:
        return round(statistics.median(one[above][figure] / one[below][figure] for one in rounds), 3)

    return {
        "median": {
            kind: {
                figure: round(statistics.median(one[kind][figure] for one in rounds), 1) for figure in rounds[0][kind]
            }
            for kind in rounds[0]
        },
        "ratios": {
            "single_to_blind_per_s": ratio("single", "blind", "per_s"),
            "single_to_bare_per_s": ratio("single", "bare", "per_s"),
            "bare_to_single_cpu": ratio("bare", "single", "cpu_us"),
            "blind_to_single_cpu": ratio("blind", "single", "cpu_us"),
            "array_to_single_per_s": ratio("array", "single", "per_s"),
            "single_to_array_cpu": ratio("single", "array", "cpu_us"),
        },
        "rounds": rounds,
        "machine": machine(),
    }


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--flags", default="", help="more flags for uvicorn")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with onlookers(), Setting() as setting:
        (setting.path / "integrations.toml").write_text(INTEGRATIONS.replace("{port}", str(setting.port)))
        setting.env |= {"B_SECRET": SECRET, "B_TOKEN": TOKEN}
        bare_web, blind_web = Web(setting, "bench.ingest:bare"), Web(setting, "--factory bench.ingest:blind")
        web = Web(setting, flags=chosen.flags)
        rounds = [
            one_round(
                setting, bare_web, blind_web, web, turn * 2 * chosen.requests, chosen.requests, chosen.connections
            )
            for turn in range(chosen.rounds + 1)
        ]
    report = json.dumps(summary(rounds[1:]), indent=2)  # the first one warms up
    print(report)
    if chosen.out:
        chosen.out.write_text(report + "\n")


if __name__ == "__main__":
    main()
