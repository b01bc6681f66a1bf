r"""Lone surrogates: JSON escapes of half a character, which no decoder takes.

JavaScript cuts a text in the middle of an emoji and writes `"caf\ud83d"`. RFC 8259 (section 8.2) allows it and leaves
open what it means.
"""

import re

# Pairs and all other escapes are matched too, so that `\\\\ud83d` (a backslash, then letters) is left as it is.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def replace_lone_surrogates(raw: bytes) -> bytes:
    r"""JSON with U+FFFD (the replacement character) for each half of a character: of the same length, place by place.

    >>> replace_lone_surrogates(rb'["caf\ud83d", "\ud83d\ude00", "\\ud83d"]')
    b'["caf\\ufffd", "\\ud83d\\ude00", "\\\\ud83d"]'
    """
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], raw)
