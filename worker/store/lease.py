"""The lease in hand: renewed from a thread while its holder works, given up when its holder hangs."""

import threading
import time
from collections.abc import Callable
from typing import Self

from worker.errors import LeaseLostError
from worker.process.eventlog import EventLog

log = EventLog(__name__)


class Lease:
    """A lease that one process holds, with the time until which it is surely its own.

    Renewal is a thread's work, since the holder may be waiting for Customer.io. A holder that shows no progress for
    `patience_s` is no longer renewed, so that another worker takes over. The monotonic clock goes on while a process
    is stopped, so a holder that wakes up late knows it.
    """

    def __init__(self, renew: Callable[[], bool], life_s: float, patience_s: float, since_s: float) -> None:
        self._renew = renew
        self._life_s = life_s
        self._patience_s = patience_s
        self._lost = False
        self._progressed = since_s
        self.progress(since_s)
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def progress(self, since_s: float) -> None:
        """The server has prolonged the lease: it was asked to take or settle at `since_s` (monotonic).

        The time of asking counts: the answer may have come late, or the holder may have been stopped since.
        """
        self._progressed = max(self._progressed, since_s)
        self._ends = since_s + self._life_s

    def progressed(self) -> None:
        """The holder makes progress: something has been answered."""
        self._progressed = time.monotonic()

    def check(self) -> None:
        """Before anything is sent.

        Raises:
            LeaseLostError: the lease may have ended.
        """
        if self._lost or time.monotonic() >= self._ends:
            raise LeaseLostError("the lease ran out before it could be renewed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        while not self._done.wait(self._life_s / 3):
            now = time.monotonic()
            if now - self._progressed > self._patience_s:
                log.error("lease_given_up", no_progress_s=now - self._progressed)
                return
            try:
                if not self._renew():
                    self._lost = True
                    return
            except Exception as fault:  # noqa: BLE001 - outermost loop of this thread; Redis may be away for a while
                log.warning("lease_not_renewed", fault=type(fault).__name__)
            else:
                self._ends = now + self._life_s
