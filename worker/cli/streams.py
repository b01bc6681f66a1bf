r"""Standard output and standard error: always there, and in characters that the terminal has.

What the commands draw has a likeness in ASCII for a locale without UTF-8; anything else is an escape, as JSON and TOML
have it within a text.
"""

import codecs
import errno
import io
import os
import sys
from typing import Final, TextIO

_LIKENESS: Final = str.maketrans(
    {
        "…": "...", "·": ".", "•": "*", "\N{EN DASH}": "-", "—": "-", "\N{MULTIPLICATION SIGN}": "x", "µ": "u",
        "→": "->", "←": "<-", "✓": "+", "✗": "x", "●": "*", "○": "o", "◐": "o", "■": "#", "“": '"', "”": '"',
        "≠": "!=", "─": "-", "━": "-", "╸": "-", "╺": "-", "│": "|", "├": "|", "└": "`",
        **{chr(code): "#" for code in range(0x2581, 0x2590)},  # the blocks of a bar chart
        **{chr(code): "*" for code in range(0x2800, 0x2900)},  # a spinner
    }
)  # fmt: skip
_NAME: Final = "likeness"


# What a full disk, a quota or a terminal that is gone answers a write.
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def prepare_streams() -> None:
    """From now on both take anything: closed ones to nowhere, what an encoding has no character for as its likeness."""
    codecs.register_error(_NAME, _likeness)
    sys.stdout, sys.stderr = _opened(sys.stdout), _opened(sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors=_NAME)


def _opened(stream: TextIO | None) -> TextIO:
    # a descriptor that whoever started us had closed would be the next socket's, and be printed into
    return stream if stream is not None else open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123


def has_no_room(fault: OSError) -> bool:
    """Whether a write failed for lack of room (or of its terminal); what is still to be written goes nowhere then."""
    if fault.errno not in _NO_ROOM:
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())  # else the interpreter tries again as it ends, and fails aloud
    return True


def _likeness(error: UnicodeError) -> tuple[str, int]:
    r"""The error handler of an encoding.

    >>> codecs.register_error(_NAME, _likeness)
    >>> "● live → Zoë 猫 😀".encode("ascii", _NAME)
    b'* live -> Zo\\u00eb \\u732b \\ud83d\\ude00'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(_LIKENESS)
    return "".join(char if char.isascii() else _escaped(char) for char in lacking), error.end


def _escaped(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
