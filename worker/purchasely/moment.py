"""An event's time: read in every unambiguous form, or the field that cannot be read and why."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS, Payload

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN: Final = 40
# What may be beside the clock in a date of mails, HTTP or JavaScript (`GMT+0100`, its zone's name behind it). Python
# takes any other word (CET, PM) for UTC, which is wrong by hours.
_CLOCK: Final = re.compile(r"\d\d?:\d\d(:\d\d)?")
_ZONE: Final = re.compile(r"UTC?|GMT|Z|[ECMP][SD]T|(?:GMT|UTC)?([+-]\d\d):?([0-5]\d)")
_YEAR: Final = re.compile(r"\d{4}")
_COMMENT: Final = re.compile(r" \([^()]*\)$")


class TimeFault(msgspec.Struct, frozen=True, gc=False):
    """A time that is present and cannot be read: its field, and a sentence that says what is wrong with it."""

    field: str
    message: str


def event_time(payload: Payload) -> tuple[int | None, TimeFault | None]:
    """`event_created_at_ms`, else `event_created_at`, in Unix milliseconds; (None, None) when neither is present.

    A field that cannot be read is no fault as long as the other one can.
    """
    fault = None
    for field in ("event_created_at_ms", "event_created_at"):
        value = payload.get(field)
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        time_ms = _instant_ms(field, value)
        if time_ms is not None and TIME_MIN_MS < time_ms < TIME_MAX_MS:
            return time_ms, None
        fault = fault or TimeFault(field, _what_is_wrong(field, value, time_ms))
    return None, fault


def parse_time_ms(value: object) -> int | None:
    """An instant written as text, in Unix milliseconds (no offset means UTC), or None.

    ISO 8601; Ruby's `2026-01-01 10:00:00 UTC` and `+0100`; the dates of mails, HTTP and JavaScript.

    >>> parse_time_ms("2023-12-12T14:19:26.120Z"), parse_time_ms("2023-12-12 14:19:26 UTC")
    (1702390766120, 1702390766000)
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        other = _other_form(value.strip())
        if other is None:
            return None
        moment = other
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    # timedelta arithmetic, not timestamp(): floats lose the millisecond
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def number_ms(value: object) -> int | None:
    """A whole number, whether written as such (1760000000000), as 1.76e12 or as digits within text."""
    if type(value) is int:
        return value
    if isinstance(value, float):
        return int(value)
    if isinstance(value, str) and (text := value.strip()).isascii() and text.isdigit() and len(text) < _SHOWN:
        return int(text)
    return None


def _other_form(text: str) -> datetime | None:
    return _iso_form(text) or _mail_form(text)


def _iso_form(text: str) -> datetime | None:
    for name in (" UTC", " GMT", " Z", "z"):
        if text.endswith(name):
            text = text.removesuffix(name) + "+00:00"
            break
    else:
        head, _, offset = text.rpartition(" ")
        if head and offset[:1] in {"+", "-"}:
            text = head + offset
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mail_form(text: str) -> datetime | None:
    text = _COMMENT.sub("", text)
    clock = _CLOCK.search(text)
    if clock is None:
        return None
    words = text[clock.end() :].split()
    zones = [word for word in words if not _YEAR.fullmatch(word)]
    known = [_ZONE.fullmatch(word) for word in zones]
    if len(known) > 1 or None in known:
        return None
    if zones and known[0] and known[0][1]:
        text = text.replace(zones[0], known[0][1] + known[0][2])
    try:
        return parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None


def _instant_ms(field: str, value: object) -> int | None:
    number = number_ms(value)
    if number is None or (isinstance(value, str) and len(value.strip()) == 8):  # 20260101 is a date
        return parse_time_ms(value)
    # the field without a unit has no other meaning for a number of this size
    return number * 1000 if field == "event_created_at" and _looks_like_seconds(number) else number


def _looks_like_seconds(number: int) -> bool:
    return TIME_MIN_MS < number * 1000 < TIME_MAX_MS


def _what_is_wrong(field: str, value: object, time_ms: int | None) -> str:
    shown = repr(value) if isinstance(value, str) else str(value)
    start = f"{field} = {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"
    number = number_ms(value)
    if number is None:
        if time_ms is not None:
            return f"{start} is outside the years 2001 to 5138"
        return f"{start} is not a time; write ISO 8601, such as 2026-01-01T10:00:00Z"
    for unit, per_ms in (("microseconds", 1000), ("nanoseconds", 1_000_000)):
        if TIME_MIN_MS < number // per_ms < TIME_MAX_MS:
            return f"{start} looks like {unit}, not milliseconds"
    if _looks_like_seconds(number):
        return f"{start} looks like seconds, not milliseconds"
    return f"{start} is no time in milliseconds; it is outside the years 2001 to 5138"
