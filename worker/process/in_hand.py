"""Tasks in hand: what the threads of a worker are at, and for how long, since a thread that hangs cannot be ended."""

import threading
import time
from collections.abc import Callable


class InHand:
    """To be entered by each thread with its task."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s: dict[int, float] = {}

    def __enter__(self) -> None:
        self.go_on()

    def __exit__(self, *_: object) -> None:
        del self._since_s[threading.get_ident()]

    def go_on(self) -> None:
        """This thread's task makes progress: from now on it is as if it had just begun."""
        self._since_s[threading.get_ident()] = self._clock()

    def ages_s(self) -> list[float]:
        """For how many seconds each task has been without progress."""
        now_s = self._clock()
        return [now_s - since_s for since_s in list(self._since_s.values())]
