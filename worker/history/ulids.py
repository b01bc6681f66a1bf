"""ULIDs seen in Customer.io: the time in one, and a sieve for the events that may have been sent with it."""

from typing import Any, Final

import msgspec

from worker.history.scan import Row, Sift
from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID: Final = f"[0-7][{_CROCKFORD}]{{25}}"
"""Pattern of a ULID in capitals."""


class _Timed(msgspec.Struct, gc=False):
    """Of a payload, the field that nearly always has its time; the rest is skipped."""

    event_created_at_ms: Any = None


_timed: Final = msgspec.json.Decoder(_Timed).decode


def ulid_time_ms(text: str) -> int:
    """The time in a ULID, Unix milliseconds; 0 for an event without a time of its own.

    >>> ulid_time_ms("01HHF4CT2R0000000000000000")
    1702390818904
    """
    time_ms = 0
    for sign in text[:10].upper():
        time_ms = time_ms * 32 + _CROCKFORD.index(sign)
    return time_ms


def of_time(time_ms: int, text: bytes) -> Sift:
    """A sieve for events whose ULID has this time, or that hold a text: it holds back those that surely do not.

    A row takes 0.7 µs rather than the 3.5 of reading all of an event.
    """

    def may_be(raw: bytes) -> bool:
        try:
            written = _timed(raw).event_created_at_ms
        except msgspec.DecodeError:
            return True
        # as `event_time` has it: a number in these bounds is the time, whatever the payload says besides
        return written == time_ms or type(written) is not int or not TIME_MIN_MS < written < TIME_MAX_MS or text in raw

    def sift(rows: list[Row]) -> list[Row]:
        return [row for row in rows if may_be(row[1][1])]

    return sift
