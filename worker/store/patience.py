"""Patience of a connection: how often a command is tried again, and until when.

redis-py tries again whatever it does for a command too, each time as often: to open the connection, to see that it is
well. On a server that takes connections and answers nothing (frozen, or behind a network that swallows packets) a
command came to twenty timeouts, of ten seconds each.
"""

import time
from collections.abc import Callable
from typing import Any

from redis.backoff import AbstractBackoff
from redis.retry import Retry


class Patience(Retry):
    """Tries again, but not within a try, and no later than `latest_s` after the first; every connection has its own."""

    def __init__(self, backoff: AbstractBackoff, retries: int, latest_s: float) -> None:
        super().__init__(backoff, retries)
        self._latest_s = latest_s
        self._is_trying = False

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> Any:
        """What `do` returns, or its last fault."""
        began_s = time.monotonic()

        def may_again(fault: Exception) -> bool:
            if is_retryable is not None and not is_retryable(fault):
                return False
            if not within and time.monotonic() - began_s < self._latest_s:
                return True
            _ = fail(fault, 1) if with_failure_count else fail(fault)
            return False

        within, self._is_trying = self._is_trying, True
        try:
            return super().call_with_retry(do, fail, may_again, with_failure_count)
        finally:
            self._is_trying = within
