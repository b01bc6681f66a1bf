"""An answer of Customer.io becomes: done, again, split, hold or dead."""

from enum import Enum

# 200 and 207 are the documented successes; the rest follows what Customer.io's own clients retry (reference: Track
# API, retryability) and what HTTP says a status is about.
_LATER = frozenset({408, 425, 429})
# About the key, the account, the address, the method or the headers: the same for every event.
_HOLD = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 414, 415, 416, 417, 421, 423, 426, 428, 431, 451})
# About what is in the request: malformed, too large, invalid.
_SPLIT = frozenset({400, 413, 422})


class Verdict(Enum):
    """What to do after one request."""

    DONE = "done"  # every item is accepted or named in the answer's errors
    AGAIN = "again"  # the same request may succeed later
    SPLIT = "split"  # some item poisons the request: find it
    HOLD = "hold"  # it is about the destination, its key or the account: wait, lose nothing


def verdict(status: int) -> Verdict:
    """The verdict on an HTTP status; 0 stands for a network fault or an unreadable answer.

    A 2xx that is neither 200 nor 207, and every 3xx, says that something other than the Track API answers (a proxy, a
    wrong host, the other region): nothing is known to be delivered, so the integration is held, not its events buried.
    """
    if status in {200, 207}:
        return Verdict.DONE
    if 0 < status < 400 or status in _HOLD:
        return Verdict.HOLD
    return Verdict.SPLIT if status in _SPLIT else Verdict.AGAIN


def is_failure(status: int) -> bool:
    """Whether Customer.io failed at the request, for a reason that may be an event: a 5xx, or a 4xx nobody knows.

    A timeout, a 408 or a 429 says nothing about events.
    """
    return status >= 400 and status not in _LATER and verdict(status) is Verdict.AGAIN
