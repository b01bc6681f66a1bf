"""Processes of a pool: they may yield to everything else, and end with the process that began them."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnContext

from worker.process.memory import settle_in

_LOOK_S = 1.0
_GRACE_S = 2.0


def spawning() -> SpawnContext:
    """How processes of a pool are begun: spawned, not forked, since a copy of this one would share its connections.

    Each begins in this one's folder. A command may have been typed in one that its user must not enter, the home of
    somebody else: then this process goes to one that everybody may enter.
    """
    try:
        os.chdir(os.getcwd())  # noqa: PTH109 - the name that the new process is given
    except OSError:
        os.chdir("/")
    return multiprocessing.get_context("spawn")


def begin(nice: int = 0) -> None:
    """Set up a process of a pool; `nice` is how much it yields (0: not at all).

    A process of `concurrent.futures` waits for ever for the next task of a parent that was killed: it holds both ends
    of its own queue.
    """
    if nice:
        os.nice(nice)
    settle_in()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def end_with(parent_pid: int, ask: Callable[[], object]) -> None:
    """End a child of Celery soon after the process that began it; `ask` asks the work in hand to stop.

    Else it notices at the end of a pipe, which other children may hold open, or it itself.
    """
    threading.Thread(target=_follow, args=(parent_pid, ask), name="parent", daemon=True).start()


def _follow(parent_pid: int, ask: Callable[[], object]) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_LOOK_S)
    ask()
    time.sleep(_GRACE_S)
    os._exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
