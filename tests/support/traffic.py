"""Senders that post single events at a steady rate, each again until it is answered with 200, as Purchasely does."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.support.waiting import elapse_async

CONNECTIONS = 32
_AGAIN_S = 0.1
_PATIENCE_S = 10.0


class Traffic:
    """`rate` events a second over some connections, spread over web doors; runs in a thread until stopped.

    `make` gives the number of an event its id and bytes. An event of a connection is posted again before its next one.
    """

    def __init__(
        self,
        ports: list[int],
        token: str,
        make: Callable[[int], tuple[str, bytes]],
        rate: float,
        connections: int = CONNECTIONS,
    ) -> None:
        self._ports = ports
        self._token = token
        self._make = make
        self._every_s = connections / rate
        self._connections = connections
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.accepted: set[str] = set()
        self.statuses: Counter[int | str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.answered: list[tuple[float, float]] = []
        """When a post was begun and when it was answered with 200 (monotonic s)."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further event; return when all that were begun are answered with 200."""
        self._over.set()
        self._thread.join(60)

    def first_after(self, moment_s: float) -> float | None:
        """How long after a moment the first post that was begun after it was answered with 200, seconds."""
        found = [answered for begun, answered in list(self.answered) if begun >= moment_s]
        return min(found) - moment_s if found else None

    async def _run(self) -> None:
        await asyncio.gather(*(self._sender(number) for number in range(self._connections)))

    async def _sender(self, number: int) -> None:
        one = _Connection(self._ports[number % len(self._ports)])
        due_s = time.monotonic() + self._every_s * number / self._connections
        while not self._over.is_set():
            await elapse_async(max(0.0, due_s - time.monotonic()))
            due_s = max(due_s + self._every_s, time.monotonic() - 1)
            event_id, body = self._make(number)
            number += self._connections
            while not await self._post(one, event_id, body):
                await elapse_async(_AGAIN_S)
        one.close()

    async def _post(self, one: "_Connection", event_id: str, body: bytes) -> bool:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                status, answer = await one.post(self._token, body)
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as fault:
            one.close()
            self.statuses[type(fault).__name__] += 1
            return False
        self.statuses[status] += 1
        if status != 200:
            self.reasons[answer.partition(b"(")[2].partition(b")")[0].decode() or "?"] += 1
            return False
        self.answered.append((begun, time.monotonic()))
        self.accepted.add(event_id)
        return True


class _Connection:
    """One connection to a web door, opened again when it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, token: str, body: bytes) -> tuple[int, bytes]:
        """Post one event; status and body of the answer."""
        if self._pair is None:
            self._pair = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._pair
        head = f"POST /v1/events/app HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(answer.split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        if self._pair is not None:
            self._pair[1].close()
            self._pair = None
