"""Signals: waits for them and for exits of children, without polling."""

import contextlib
import os
import select
import signal
from types import FrameType
from typing import Any, Self

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """While entered (in the main thread), SIGTERM, SIGINT and SIGHUP only count, and end a `wait` at once."""

    def __init__(self) -> None:
        self.asked = 0  # how often it was asked to stop
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._former_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for sign in _STOPPING:
            # what was ignored stays ignored: nohup, or a shell's background job
            if signal.getsignal(sign) is not signal.SIG_IGN:
                self._former[sign] = signal.signal(sign, self._count)
        self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)
        return self

    def __exit__(self, *_: object) -> None:
        for sign, former in self._former.items():
            signal.signal(sign, former)
        signal.set_wakeup_fd(self._former_fd)
        for end in (self._read, self._write):
            os.close(end)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a signal comes (a child's death is one)."""
        select.select([self._read], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 512):
                pass

    def _count(self, _sign: int, _frame: FrameType | None) -> None:
        self.asked += 1


def _nothing(_sign: int, _frame: FrameType | None) -> None:
    """Only a handler of our own wakes a `wait`."""
