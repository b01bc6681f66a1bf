"""Graceful-shutdown flag shared by a worker's main process and its children."""

import mmap
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_SLICE_S = 0.1
# What a child may take for what is left to do at its end, whatever hangs then.
_LEAVE_S = 5.0


class Stop:
    """A flag in memory that forked children share; to be made before the fork.

    A supervisor may signal the main process alone or every process of the group (systemd, Heroku): a child that is
    busy then ends its batch, or abandons it, and goes; an idle one goes at once.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)
        self._alone = False
        self._busy = False
        self._guarding = False
        self._leaving = False
        self._at_end: Callable[[], object] = bool

    def ask(self) -> None:
        """Ask this process and its children to stop."""
        self._shared[0] = 1

    def asked(self) -> bool:
        """Whether to stop soon."""
        return self._alone or self._shared[0] == 1

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past a request to stop."""
        ends = time.monotonic() + seconds
        while not self.asked() and (left := ends - time.monotonic()) > 0:
            time.sleep(min(_SLICE_S, left))

    def guard_child(self, at_end: Callable[[], object] = bool) -> None:
        """In a child: let SIGTERM end the batch in hand, and then do `at_end`, before it ends the process."""
        self._guarding = True
        self._at_end = at_end

    def _terminate(self, _signum: int, _frame: FrameType | None) -> None:
        if not self._busy or self._alone:
            self._leave()
        self._alone = True

    def _leave(self) -> None:
        if self._leaving:
            return  # asked again: the first is at it
        self._leaving = True
        ending = threading.Thread(target=self._at_end, name="end", daemon=True)
        ending.start()
        ending.join(_LEAVE_S)
        os._exit(0)

    def __enter__(self) -> None:
        self._busy = True
        # The pool sets a handler of its own after the last hook for children, so ours is set when the work begins.
        if self._guarding and signal.getsignal(signal.SIGTERM) != self._terminate:
            signal.signal(signal.SIGTERM, self._terminate)

    def __exit__(self, *_: object) -> None:
        self._busy = False
        if self._alone:
            # the pool must first hear that the task is done
            timer = threading.Timer(0.3, self._leave)
            timer.daemon = True
            timer.start()
