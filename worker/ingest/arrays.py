"""Arrays of flat events, as Purchasely's are: decoded in one pass, and taken apart without another."""

from collections.abc import Callable

import msgspec

from worker.purchasely.documented import Payload

_BACKSLASH, _BRACKET, _BEGIN, _END = b"\\[{}"


def read_flat(body: bytes, decode: Callable[[bytes], list[Payload]], most: int) -> list[tuple[bytes, Payload]] | None:
    """The events of an array, each as the bytes it came in and what `decode` reads of them.

    None unless all is plain: ASCII without escapes, no more than `most` objects, and nothing nested in them. One brace
    opens each object: when the body has no more of them than objects, no text holds one, and it can be split there.
    """
    if not body.isascii() or _BACKSLASH in body or body.find(_BRACKET, body.find(_BRACKET) + 1) >= 0:
        return None
    raws = _between_braces(body, most + 1)
    if not 0 < len(raws) <= most:
        return None
    try:
        values = decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None  # the strict reader says what is wrong, and where
    return list(zip(raws, values, strict=True)) if len(values) == len(raws) else None


def _between_braces(body: bytes, most: int) -> list[bytes]:
    """What begins with each opening brace, up to the last closing one before the next; no more than `most` of them.

    Nothing when one of them has no end: an object is nested in it.
    """
    found: list[bytes] = []
    start = body.find(_BEGIN)
    while start >= 0 and len(found) < most:
        following = body.find(_BEGIN, start + 1)
        end = body.rfind(_END, start, following if following >= 0 else len(body))
        if end < 0:
            return []
        found.append(body[start : end + 1])
        start = following
    return found
