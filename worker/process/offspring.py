"""Processes of a pool: they may yield to everything else, and end with the process that began them."""

import multiprocessing
import os
import threading

from worker.process.memory import settle_in


def begin(nice: int = 0) -> None:
    """Set up a process of a pool; `nice` is how much it yields (0: not at all).

    A process of `concurrent.futures` waits for ever for the next task of a parent that was killed: it holds both ends
    of its own queue.
    """
    if nice:
        os.nice(nice)
    settle_in()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
