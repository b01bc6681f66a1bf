"""Watchdog: a worker that is alive but receives no tasks, or hangs, exits, so that its supervisor starts another.

Known of Celery on Redis: after a reconnect the worker may stop consuming and look alive (celery #8030, #8091, #10205).
"""

import os
import threading
import time
from collections.abc import Callable, Sequence

from worker.process.eventlog import EventLog

log = EventLog(__name__)

# sysexits.h: EX_TEMPFAIL, "the user is invited to retry"
EXIT_DEAF = 75


class Watchdog:
    """Looks every `every_s` whether messages wait while this worker, idle, receives none; after `looks` it ends.

    `queue_length` asks the broker (None: it does not answer, which is another trouble and heals by itself),
    `received` counts the messages this worker ever got, `busy` says whether it has work in hand. It ends too when a
    thread has made no progress for `hangs_s`, as `ages_s` says of each task in hand: `stop` asks the other threads to
    finish, and they have `looks` for it.
    """

    def __init__(
        self,
        queue_length: Callable[[], int | None],
        received: Callable[[], int],
        busy: Callable[[], bool],
        every_s: float,
        looks: int = 4,
        end: Callable[[int], object] = os._exit,
        ages_s: Callable[[], Sequence[float]] = tuple,
        hangs_s: float = 600,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self._queue_length = queue_length
        self._received = received
        self._busy = busy
        self._every_s = every_s
        self._looks = looks
        self._end = end
        self._ages_s = ages_s
        self._hangs_s = hangs_s
        self._stop = stop
        self._before = -1
        self._deaf = 0
        self._hung = 0

    def start(self) -> None:
        """Watch from a thread."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(self._every_s)
            self.look()

    def look(self) -> None:
        """One look."""
        self._look_at_tasks()
        received = self._received()
        idle = received == self._before and not self._busy()
        self._before = received
        self._deaf = self._deaf + 1 if idle and (self._queue_length() or 0) > 0 else 0
        if self._deaf >= self._looks:
            log.critical("worker_unresponsive", looks=self._deaf, every_s=self._every_s, exit=EXIT_DEAF)
            self._end(EXIT_DEAF)

    def _look_at_tasks(self) -> None:
        ages_s = self._ages_s()
        hung = sum(age_s > self._hangs_s for age_s in ages_s)
        if not hung:
            return
        if not self._hung:
            log.critical("task_hangs", tasks=hung, longest_s=int(max(ages_s)), exit=EXIT_DEAF)
            self._stop()
        self._hung += 1
        if hung == len(ages_s) or self._hung > self._looks:
            self._end(EXIT_DEAF)
