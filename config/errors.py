"""Errors of an integrations file, in lines that say what to write instead."""

from collections.abc import Iterable
from typing import NamedTuple

# The way from the top of the file to a value: keys, and positions within lists.
Place = tuple[str | int, ...]


class ConfigError(Exception):
    """The integrations file cannot be used: `problems` are the lines of the message.

    Each is `FILE:LINE: DOTTED.KEY: what is wrong; what to write instead`, and never holds a secret.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Finding(NamedTuple):
    """Something to say about one place in the file: what is wrong and what to write instead."""

    place: Place
    text: str


def dotted(place: Place) -> str:
    """The key as it is spoken of, without positions in lists.

    >>> dotted(("integrations", "production", "environments", 0))
    'integrations.production.environments'
    """
    return ".".join(part for part in place if isinstance(part, str))


def told(path: str, line: int, key: str, text: str) -> str:
    """One line of a report; `line` 0: the whole file.

    What would break the line, as a newline in a quoted key, is escaped.
    """
    report = ": ".join(part for part in (f"{path}:{line}" if line else path, key, text) if part)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in report)


def quoted(name: str) -> str:
    """A name within a message, cut when it is long."""
    return f'"{name}"' if len(name) <= 60 else f'"{name[:57]}..."'
