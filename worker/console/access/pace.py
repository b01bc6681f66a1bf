"""Rate limit of log-ins: how many may fail from one address, and from all together."""

import ipaddress
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

FAILURES_OF_ONE = 10
FAILURES_OF_ALL = 300
_WINDOW_MIN = 5


class LoginPace:
    """Counts failed log-ins. A token has 256 bits: this keeps the noise down, it is not what guards the door.

    The count is this process's own, so that it works while Redis does not answer.
    """

    def __init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._one = RateLimitItemPerMinute(FAILURES_OF_ONE, _WINDOW_MIN)
        self._all = RateLimitItemPerMinute(FAILURES_OF_ALL, _WINDOW_MIN)

    def wait_s(self, address: str) -> int:
        """How long this address has to wait before it may try again, seconds; 0: not at all."""
        ends_s = [
            self._limiter.get_window_stats(item, name).reset_time
            for item, name in ((self._one, network_of(address)), (self._all, "all"))
            if not self._limiter.test(item, name)
        ]
        return max(1, math.ceil(max(ends_s) - time.time())) if ends_s else 0

    def failed(self, address: str) -> None:
        """Count a failure."""
        self._limiter.hit(self._one, network_of(address))
        self._limiter.hit(self._all, "all")


def network_of(address: str) -> str:
    """What one sender has of addresses: one of IPv4, a /64 of IPv6.

    >>> network_of("203.0.113.9"), network_of("2001:db8::1:2:3:4"), network_of("?")
    ('203.0.113.9', '2001:db8::/64', 'unknown')
    """
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else str(known)
