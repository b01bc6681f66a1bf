"""An answer of Customer.io becomes: done, again, split, hold or dead."""

from enum import Enum

# 200 and 207 are the documented successes; the rest follows what Customer.io's own clients retry (reference: Track
# API, retryability). The documentation names no other status, so an unknown 4xx is treated like a whole-batch 400.
_AGAIN = frozenset({408, 425, 429})
_HOLD = frozenset({401, 403, 404, 405, 407})


class Verdict(Enum):
    """What to do after one request."""

    DONE = "done"  # every item is accepted or named in the answer's errors
    AGAIN = "again"  # the same request may succeed later
    SPLIT = "split"  # some item poisons the request: find it
    HOLD = "hold"  # the destination or its key is at fault: wait, lose nothing


def verdict(status: int) -> Verdict:
    """The verdict on an HTTP status; 0 stands for a network fault or an unreadable answer.

    A 2xx that is neither 200 nor 207, and every 3xx, says that something other than the Track API answers (a proxy, a
    wrong host, the other region): nothing is known to be delivered, so the integration is held, not its events buried.
    """
    if status in {200, 207}:
        return Verdict.DONE
    if status == 0 or status in _AGAIN or status >= 500:
        return Verdict.AGAIN
    if status < 400 or status in _HOLD:
        return Verdict.HOLD
    return Verdict.SPLIT
