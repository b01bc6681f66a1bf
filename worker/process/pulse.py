"""A step taken once a second in a thread of its own, so that work in hand pays nothing for it."""

import threading
from collections.abc import Callable

from worker.process.eventlog import EventLog
from worker.process.fault_names import fault_name

log = EventLog(__name__)


class Pulse:
    """Takes a step every `every_s` until stopped; a step that fails is logged by its kind and taken again."""

    def __init__(self, step: Callable[[], object], every_s: float = 1.0) -> None:
        self._step = step
        self._every_s = every_s
        self._ended = threading.Event()
        # a daemon: a server that hangs must not keep the process from ending
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin, with the first step at once."""
        self._thread.start()

    def stop(self, within_s: float = 2.0) -> bool:
        """Take no further step, and wait a moment for the one under way; whether it has ended."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failed = ""
        while not self._ended.is_set():
            try:
                self._step()
                failed = ""
            except Exception as fault:  # noqa: BLE001 - the outermost loop of this thread
                name = fault_name(fault)
                if name != failed:
                    failed = name
                    log.warning("pulse_failed", fault=failed)
            self._ended.wait(self._every_s)
