"""The one way to wait in a test."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(found: Callable[[], T], what: str, within_s: float = 30, every_s: float = 0.05) -> T:
    """The first true answer of `found`; fails, saying what was waited for and the last answer, when time is up."""
    ends = time.monotonic() + within_s
    while True:
        last = found()
        if last:
            return last
        if time.monotonic() > ends:
            raise AssertionError(f"not within {within_s} s: {what} (last: {last!r})")
        time.sleep(every_s)
