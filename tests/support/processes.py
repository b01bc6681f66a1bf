"""Processes that tests start: they hear signals, and none outlives its test."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[Any]"]:
    """One, with the options of Popen; if it still runs when the test is done with it, or has failed, it is killed."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()  # else a test that failed would wait for it, for good


def hear_signals() -> None:
    """Have what is started from here hear Ctrl-C and a hang-up, in the background of a script (or nohup) too.

    A shell has ignored them there, and what is ignored is handed down; a handler is not.
    """
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(sign) is signal.SIG_IGN:
            signal.signal(sign, _ignore)


def _ignore(*_: object) -> None:
    """As it was asked for; but it ends with this process."""
