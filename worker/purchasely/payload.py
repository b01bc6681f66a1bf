"""A payload as a dictionary: numbers keep their digits, half a surrogate pair is replaced."""

import math
import re
from typing import Any, Final

import msgspec
import orjson

from worker.purchasely.surrogates import replace_lone_surrogates

# orjson makes a float of an integer beyond 64 bits, and so one person of many.
_LONG_NUMBER: Final = b"0" * 19
_ALL_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")  # then a search finds it that is no pattern's
# Texts are matched too, whether they end or not, so that what is in them is left as it is; a key is no number.
_NUMBER: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?+)(?!\s*:)', re.DOTALL
)


class NotAnObjectError(ValueError):
    """JSON, but no object."""

    def __init__(self) -> None:
        super().__init__("not a JSON object")


def read_object(raw: bytes) -> dict[str, Any]:
    """The JSON object that the bytes hold; half a surrogate pair is read as U+FFFD, a number that no machine holds
    (1e999, a thousand digits) as the text of its digits.

    Raises:
        ValueError: they hold no JSON object.
    """
    return read_repaired(raw)[0]


def read_repaired(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The same, with the bytes that say so: those received, unless something in them had to be replaced.

    Raises:
        ValueError: they hold no JSON object.
    """
    try:
        return _read(raw), raw
    except ValueError:
        whole = _NUMBER.sub(_held, replace_lone_surrogates(raw))
        if whole == raw:
            raise
    return _read(whole), whole


def _held(found: re.Match[bytes]) -> bytes:
    """A number as it is, or as text where it is beyond all machines; a text as it is."""
    return b'"%b"' % found[1] if found[1] and math.isinf(float(found[1])) else found[0]


def _read(raw: bytes) -> dict[str, Any]:
    value = orjson.loads(raw)
    if not isinstance(value, dict):
        raise NotAnObjectError
    if _LONG_NUMBER in raw.translate(_ALL_ZERO):
        try:
            exact: dict[str, Any] = msgspec.json.decode(raw)
            msgspec.json.encode(exact)
        except (ValueError, RecursionError):
            return value
        return exact
    return value


def write_object(value: dict[str, Any]) -> bytes:
    """An object as JSON, integers of any size included."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return msgspec.json.encode(value)
