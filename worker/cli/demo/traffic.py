"""The demo's Purchasely: signed requests over several connections, each person's in order."""

import http.client
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import orjson

from worker.cli.demo.events import Delivery
from worker.cli.posting import signing

CONNECTIONS = 6
_PATIENCE_S = 20.0


class Traffic:
    """Sends deliveries from threads, at most `per_s` a second; the counts may be read while it runs."""

    def __init__(self, url: str, secret: bytes, deliveries: Sequence[Delivery], per_s: float) -> None:
        self.total = len(deliveries)
        self.accepted = self.duplicates = self.refused = self.retries = 0
        self.took_s = 0.0
        self._per_s = per_s
        self._url = urlsplit(url)
        self._headers: Callable[[bytes], dict[str, str]] = signing(secret)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        lists: list[list[tuple[float, bytes]]] = [[] for _ in range(CONNECTIONS)]
        for place, delivery in enumerate(deliveries):
            # one person, one connection: Purchasely sends nobody's next event before the last one is answered
            lists[zlib.crc32(delivery.holder.encode()) % CONNECTIONS].append((place / per_s, delivery.body))
        self._threads = [threading.Thread(target=self._send, args=(mine,), daemon=True) for mine in lists]

    @property
    def sent(self) -> int:
        """How many have their answer."""
        return self.accepted + self.duplicates + self.refused

    @property
    def is_on_pace(self) -> bool:
        """Whether it went as fast as it was asked to, so that its speed says nothing of the relay's."""
        return self.took_s <= self.total / self._per_s + 1

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def is_running(self) -> bool:
        """Whether something is still to be sent."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=2)

    def _send(self, mine: list[tuple[float, bytes]]) -> None:
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=10)
        for due_s, body in mine:
            if self._stopped.wait(max(0.0, due_s - (time.monotonic() - self._began))):
                break
            status, answer = self._post(connection, body)
            with self._lock:
                self.accepted += answer.get("accepted", 0)
                self.duplicates += answer.get("duplicates", 0)
                self.refused += status != 200
                self.took_s = max(self.took_s, time.monotonic() - self._began)
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> tuple[int, dict[str, int]]:
        """Post until there is an answer other than "later": Purchasely would come again too."""
        ends = time.monotonic() + _PATIENCE_S
        while True:
            status = 0
            try:
                connection.request("POST", self._url.path, body, self._headers(body))
                answer = connection.getresponse()
                status, content = answer.status, answer.read()
                if status == 200:
                    return status, orjson.loads(content)
            except (OSError, http.client.HTTPException):
                connection.close()
            if (status and status < 500) or time.monotonic() > ends or self._stopped.wait(0.2):
                return status, {}
            with self._lock:
                self.retries += 1
