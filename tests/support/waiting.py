"""The one way to wait in a test, and the one way to let time pass that belongs to what is played."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(found: Callable[[], T], what: str, within_s: float = 60, every_s: float = 0.05) -> T:
    """The first true answer of `found`; fails, saying what was waited for and the last answer, when time is up."""
    ends = time.monotonic() + within_s
    while True:
        last = found()
        if last:
            return last
        if time.monotonic() > ends:
            raise AssertionError(f"not within {within_s} s: {what} (last: {last!r})")
        time.sleep(every_s)


def elapse(seconds: float) -> None:
    """Let time pass that is part of the scenario: the pace of a sender, a countdown, the moment of a kill.

    Never a wait for something to have happened: that is `until`.
    """
    time.sleep(max(0.0, seconds))


async def elapse_async(seconds: float) -> None:
    """The same on an event loop: a slow server, senders that come one after another."""
    await asyncio.sleep(seconds)
