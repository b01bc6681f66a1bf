"""Received to delivered, on an otherwise idle relay: single posts at a steady rate, timed where they arrive."""

import asyncio
import statistics
import sys
import time

import orjson

from bench.setting import Setting, event
from tests.support.servers import free_port

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n"


async def _destination(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, took_ms: list[float]) -> None:
    """A Customer.io that notes how old each event is when it comes."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        now_ns = time.time_ns()
        items = [item for item in orjson.loads(await reader.readexactly(length))["batch"] if item["action"] == "event"]
        took_ms += [(now_ns - item["attributes"]["content_id"]) / 1e6 for item in items]
        writer.write(ANSWER)


async def _post(port: int, rate: float, seconds: float, first: int) -> int:
    """Post singles at a steady rate over a few connections; the number posted."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
    drains = [asyncio.create_task(_drain(reader)) for reader, _ in connections]
    started, count = time.perf_counter(), 0
    while (now := time.perf_counter() - started) < seconds:
        if count / rate > now:
            await asyncio.sleep(count / rate - now)
        body = orjson.dumps(orjson.loads(event((first + count) * 3, 5000)) | {"content_id": time.time_ns()})
        _, writer = connections[count % len(connections)]
        writer.write(
            b"POST /v1/events/app HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bench-token\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        count += 1
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*drains)
    return count


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _measure(sink: int, web: int, rate: float, seconds: float) -> dict[str, float]:
    took_ms: list[float] = []
    server = await asyncio.start_server(lambda r, w: _destination(r, w, took_ms), "127.0.0.1", sink)
    await _post(web, rate, 3, 0)  # warm: connections, imports
    await asyncio.sleep(1)
    took_ms.clear()
    posted = await _post(web, rate, seconds, 1_000_000)
    await asyncio.sleep(2)
    server.close()
    cuts = statistics.quantiles(took_ms, n=100)
    return {
        "posted": posted,
        "delivered": len(took_ms),
        "p50_ms": cuts[49],
        "p99_ms": cuts[98],
        "worst_ms": max(took_ms),
    }


def latency(
    rate: float = 200, seconds: float = 15, concurrency: int = 0, *, pool: str = "threads", round_trip_ms: float = 0
) -> dict[str, float]:
    """p50 and p99 in milliseconds of the way from the sender to Customer.io; Redis may be further away."""
    sink, web = free_port(), free_port()
    with Setting(port=sink, own_sink=False) as setting:
        if round_trip_ms:
            setting.away(round_trip_ms)
        python = sys.executable
        setting.start(
            python, "-m", "uvicorn", "--factory", "worker.ingest.app:create", "--port", str(web), "--no-access-log"
        )
        setting.worker("worker.tasks", concurrency, pool)
        setting.start(python, "-m", "celery", "--app", "worker.tasks", "beat", "--scheduler", "celery.beat:Scheduler")
        time.sleep(2)
        return asyncio.run(_measure(sink, web, rate, seconds))


if __name__ == "__main__":
    print(latency())
