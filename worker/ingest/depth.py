"""Nesting limit of JSON: what is deeper than any event needs is refused before anything decodes it."""

import re
from itertools import accumulate

# The worker's decoders, and those of whoever reads the event after it, give up at depths of their own.
MOST_DEPTH = 64

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_OPEN, _CLOSE, _BETWEEN = b"[{", b"]}", b","
_STEP = [1 if byte in _OPEN else -1 if byte in _CLOSE else 0 for byte in range(256)]
_NO_BRACKET = bytes(byte for byte in range(256) if byte not in _OPEN + _CLOSE)
_NO_STRUCTURE = bytes(byte for byte in _NO_BRACKET if byte not in _BETWEEN)


def is_too_deep(raw: bytes) -> bool:
    """Whether objects and arrays lie within each other more than MOST_DEPTH deep; `{}` is one deep."""
    if raw.count(b"{") + raw.count(b"[") <= MOST_DEPTH:
        return False
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKET)
    return max(accumulate(map(_STEP.__getitem__, brackets)), default=0) > MOST_DEPTH


def first_too_deep(array: bytes) -> int | None:
    """The position of the first element of an array that is too deep, if any."""
    depth = position = 0
    for byte in _STRING.sub(b"", array).translate(None, _NO_STRUCTURE):
        depth += _STEP[byte]
        if depth > MOST_DEPTH + 1:
            return position
        if depth == 1 and byte in _BETWEEN:
            position += 1
    return None
