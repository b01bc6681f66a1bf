"""The door alone: CPU of the web process an event, without sockets of senders, beside the barest function on uvicorn.

    python -m bench.door [--rounds 15] [--requests 6400] [--connections 64] [--only single] [--profile FILE]

Everything runs in one process but Redis: the protocol class is given whole requests and the answers are counted, so
that what the kernel does for each request, the same for every server, hides no difference. Of the rounds, which are
taken in turn, the least counts: whatever else runs can only add. Two commits are compared by running it in the
worktree of each; `--only` with `valgrind --tool=none` or `callgrind` counts instructions.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from bench.ingest import ARRAY, INTEGRATIONS, PEOPLE, SECRET, TOKEN, array, bare, webhook
from bench.setting import Setting, event, onlookers


class Sender:
    """A transport without a socket: each answer brings the next request, until there are none."""

    def __init__(self, requests: Iterator[bytes], finished: Callable[[bytes], None]) -> None:
        self._requests = requests
        self._finished = finished
        self._loop = asyncio.get_running_loop()
        self.protocol: Any = None
        self.said = b""

    def begin(self) -> None:
        """Send the next request."""
        request = next(self._requests, None)
        if request is None:
            self._finished(b"")
        else:
            self.protocol.data_received(request)

    def write(self, data: bytes) -> None:
        """Take an answer, or a part of one."""
        self.said += data
        if self.said.endswith(b"}"):
            if not self.said.startswith(b"HTTP/1.1 200"):
                self._finished(self.said)
            self.said = b""
            self._loop.call_soon(self.begin)

    def is_closing(self) -> bool:
        """It is open."""
        return False

    def get_write_buffer_size(self) -> int:
        """Everything is read at once."""
        return 0

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        """Nothing is known."""
        return default

    def pause_reading(self) -> None:
        """Nothing: one request is under way at a time."""

    resume_reading = close = abort = pause_reading


async def serve(make: Callable[[], Any], requests: list[bytes], connections: int) -> float:
    """Answer all requests, one at a time on each connection; CPU seconds that it took."""
    done, left = asyncio.get_running_loop().create_future(), [min(connections, len(requests))]

    def finished(refusal: bytes) -> None:
        left[0] -= 1
        if refusal and not done.done():
            done.set_exception(SystemExit(f"not 200: {refusal!r}"))
        elif not left[0] and not done.done():
            done.set_result(None)

    source = iter(requests)
    senders = []
    for _ in range(left[0]):
        sender = Sender(source, finished)
        sender.protocol = make()
        sender.protocol.connection_made(sender)
        senders.append(sender)
    began_s = time.process_time()
    for sender in senders:
        sender.begin()
    await done
    took_s = time.process_time() - began_s
    for sender in senders:
        sender.protocol.connection_lost(None)
    return took_s


def makers() -> dict[str, Callable[[], Any]]:
    """What makes a connection's protocol: the barest function on uvicorn's own, and ours."""
    from worker.app import relay
    from worker.ingest.app import build
    from worker.ingest.protocol import Protocol

    state = ServerState()
    state.default_headers = [(b"date", b"Fri, 27 Nov 2026 00:00:00 GMT")]

    def maker(app: Any, protocol: type[HttpToolsProtocol]) -> Callable[[], Any]:
        config = uvicorn.Config(app, http=protocol, access_log=False, log_level="warning")
        config.load()
        return lambda: protocol(config, state, {})

    ours = maker(build(relay(), lambda _integration, _shard: True), Protocol)
    return {"bare": maker(bare, HttpToolsProtocol), "single": ours, "array": ours}


async def measure(chosen: argparse.Namespace, setting: Setting) -> dict[str, float]:
    """The least CPU microseconds an event of each kind."""
    least: dict[str, float] = {}
    makes, count, first = makers(), chosen.requests, 0
    for _ in range(chosen.rounds):
        for kind, make in makes.items():
            if chosen.only not in ("", kind):
                continue
            first += count
            bodies = [event(first + n, PEOPLE) for n in range(count)]
            if kind == "array":
                requests = [array(bodies[at : at + ARRAY]) for at in range(0, count, ARRAY)]
            else:
                requests = [webhook(body) for body in bodies]
            took_us = await serve(make, requests, 16 if kind == "array" else chosen.connections) / count * 1e6
            least[kind] = min(took_us, least.get(kind, took_us))
            for key in setting.redis.scan_iter("relay:*:events:*"):
                setting.redis.xtrim(key, maxlen=0, approximate=False)
    return {kind: round(us, 2) for kind, us in least.items()}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=6400)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default="", choices=["", "bare", "single", "array"])
    parser.add_argument("--profile", default="", help="a file for cProfile's statistics")
    chosen = parser.parse_args()
    with onlookers(), Setting(own_sink=False) as setting:
        (setting.path / "integrations.toml").write_text(INTEGRATIONS.replace("{port}", "1"))
        os.environ.update(setting.env | {"B_SECRET": SECRET, "B_TOKEN": TOKEN})
        os.sched_setaffinity(0, {0} if (os.cpu_count() or 1) > 1 else os.sched_getaffinity(0))
        profile = cProfile.Profile()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if chosen.profile:
                profile.enable()
            found = runner.run(measure(chosen, setting))
            profile.disable()
        if chosen.profile:
            pstats.Stats(profile).dump_stats(chosen.profile)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
