r"""Characters that the terminal's own set lacks (a locale without UTF-8): shown in ASCII, never an error.

What the commands draw has a likeness; anything else is an escape, as JSON and TOML have it within a text.
"""

import codecs
import io
import sys
from typing import Final

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


def show_what_the_terminal_can() -> None:
    """From now on standard output and standard error write a likeness of what their encoding has no character for."""
    codecs.register_error(_NAME, _likeness)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors=_NAME)


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
