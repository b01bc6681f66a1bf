"""Output of the commands: JSON for programs, lines for people; nothing printed acts on the terminal.

Event names, ids, Customer.io's messages, names in a file: strangers chose them. Every command prints through these
functions; a unit test looks that none prints by itself.
"""

import contextlib
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import click

from worker.process.plain import plain, plain_json, plain_lines
from worker.process.wording import count, several, span

__all__ = [
    "Styled",
    "count",
    "echo_items",
    "echo_json",
    "local_time",
    "note",
    "say",
    "say_hanging",
    "say_lines",
    "several",
    "show_progress",
    "span",
    "terminal_width",
    "wrapped_text",
]


def echo_json(value: Any) -> None:
    """One JSON document on a line of its own."""
    import msgspec

    click.echo(plain_json(msgspec.json.encode(value).decode()))


def echo_items(items: list[Any]) -> None:
    """A list that has no further page, as JSON."""
    echo_json({"items": items, "next": None})


class Styled(NamedTuple):
    """A piece of a line in a colour, or bold."""

    text: str
    fg: str | None = None
    bold: bool = False


def say(*pieces: str | Styled, fg: str | None = None, bold: bool = False, err: bool = False) -> None:
    """One line for people, whatever is in it: a newline or a command to the terminal is shown, not obeyed."""
    line = "".join(_drawn(piece) for piece in pieces)
    click.echo(click.style(line, fg=fg, bold=True if bold else None) if fg or bold else line, err=err)


def say_lines(text: str | Iterable[str], *, err: bool = False) -> None:
    """Lines that are meant as such: a text with newlines of its own, or one line each."""
    for line in plain_lines(text) if isinstance(text, str) else text:
        say(line, err=err)


def say_hanging(lines: str | Iterable[str], *, under: int = 4, fg: str | None = None) -> None:
    """Lines as wide as the terminal; what is too long goes on below, `under` columns further in."""
    for line in [lines] if isinstance(lines, str) else lines:
        text = plain(line)
        further = " " * (len(text) - len(text.lstrip()) + under)
        for piece in wrapped_text(text, terminal_width(), further):
            say(piece, fg=fg)


def wrapped_text(text: str, width: int, further: str = "") -> list[str]:
    """A text in lines; a path or a command's word stays whole, so that it can be copied.

    >>> wrapped_text("to /a/long/path", 8, "  ")
    ['to', '  /a/long/path']
    """
    found = textwrap.wrap(text, width, subsequent_indent=further, break_on_hyphens=False, break_long_words=False)
    return found or [""]


def local_time(at_ms: int) -> str:
    """A time (Unix ms) in this machine's zone, to the second: a cell of a list."""
    return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"


def show_progress(text: str, *, last: bool) -> None:
    """A line on standard error that the next one takes the place of; where it is no terminal, the last one alone."""
    if sys.stderr.isatty():
        click.echo(f"\r{plain(text)}", err=True, nl=last)
    elif last:
        click.echo(plain(text), err=True)


def _drawn(piece: str | Styled) -> str:
    if isinstance(piece, Styled):
        return click.style(plain(piece.text), fg=piece.fg, bold=True if piece.bold else None)
    return plain(piece)


def arrows(text: str) -> str:
    """What changed, for people: programs read `->`.

    >>> arrows("plan: off -> tier")
    'plan: off → tier'
    """
    return text.replace(" -> ", " → ")


def note(text: str) -> None:
    """A line of news, written at once; a terminal that is gone must not stop what it is about."""
    with contextlib.suppress(OSError):
        say(f"{time.strftime('%H:%M:%S')}  {text}")
        sys.stdout.flush()


# A pipe has no width of its own, and columns that were cut cannot be searched.
_NO_WIDTH = 1_000


def terminal_width() -> int:
    """How many columns a line may have."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_WIDTH
