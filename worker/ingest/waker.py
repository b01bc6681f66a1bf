"""Wake-ups from the web door: sent by a thread of their own, so that no answer waits for the broker."""

import queue
import threading
from collections.abc import Callable

from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name

log = EventLog(__name__)

_Lane = tuple[str, int]


class Waker:
    """Sends wake-ups in order, in the background. One that is lost costs the time until the next sweep."""

    def __init__(self, send: Callable[[str, int], object]) -> None:
        self._send = send
        self._asked: queue.SimpleQueue[_Lane | None] = queue.SimpleQueue()
        # a daemon: a broker that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._run, name="wake", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def wake(self, integration: str, shard: int) -> None:
        """Ask for a wake-up; returns at once."""
        self._asked.put((integration, shard))

    def stop(self, within_s: float) -> None:
        """Send what is queued, for at most this long."""
        self._asked.put(None)
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        while (lane := self._asked.get()) is not None:
            try:
                self._send(*lane)
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - the outermost loop of this thread
                log.warning("wake_not_sent", integration=lane[0], shard=lane[1], fault=fault_name(fault))


def send(integration: str, shard: int) -> bool:
    """Send one wake-up to the broker."""
    # Celery is half a second of imports: spent in this thread, when there is work, rather than at the start
    from worker.tasks import wake  # noqa: PLC0415

    return bool(wake(integration, shard))
