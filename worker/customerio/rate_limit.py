"""Rate limit: Customer.io's requests a second for an integration, over all workers together."""

import threading
import time
from collections.abc import Callable

import redis
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from worker.process.eventlog import EventLog

log = EventLog(__name__)

_STEP_S = 0.02
# Permits are taken several at a time, at most a hundredth of a second's, and are good for a second: to ask Redis before
# each request costs a round trip.
_SHARE = 100
_LIFE_S = 1.0


class _Counts(RedisStorage):
    """The counts of the limiter, kept with whatever client the process has; a window's keys are of one slot."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__("redis://", connection_pool=client.connection_pool, key_prefix="relay:pace")
        self.storage = client
        self.initialize_storage("")


class RequestPace:
    """Waits until an integration may be asked again ("1000 requests per second"; beyond, data may be dropped).

    The count is kept in Redis. When Redis cannot count, the request goes out all the same: the limit is a courtesy that
    Customer.io does not strictly enforce, and a full server must be able to drain. Threads share one, and its permits.
    """

    def __init__(
        self, client: redis.Redis, integration: str, per_s: int, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(_Counts(client))
        self._item = RateLimitItemPerSecond(per_s)
        self._integration = integration
        self._sleep = sleep
        self._block = max(1, per_s // _SHARE)
        self._lock = threading.Lock()  # of the permits; never held while Redis is asked, which may take its timeout
        self._permits = 0
        self._until_s = 0.0

    def wait(self) -> None:
        """Wait for the turn of one request."""
        while not self._mine():
            self._sleep(_STEP_S)

    def _mine(self) -> bool:
        now_s = time.monotonic()
        with self._lock:
            if now_s >= self._until_s:
                self._permits = 0
            if self._permits:
                self._permits -= 1
                return True
        for many in dict.fromkeys((self._block, 1)):  # near the limit, one by one
            if self._taken(many):
                with self._lock:
                    self._permits, self._until_s = self._permits + many - 1, now_s + _LIFE_S
                return True
        return False

    def _taken(self, permits: int) -> bool:
        try:
            return self._limiter.hit(self._item, self._integration, cost=permits)
        except redis.RedisError as fault:
            log.warning("pace_not_kept", integration=self._integration, fault=type(fault).__name__)
            return True
