"""An integrations file as text: read, parsed, each finding reported with its line."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import ConfigError, Finding, dotted, told
from config.lines import Places, locate

# What to write when tomllib says so; the first whose words it uses.
_HINTS = {
    "Invalid statement": 'write key = value or [table], and names with signs in quotes, as "*"',
    "key part": 'write names with signs in quotes, as "*"',
    "Invalid value": "write text in quotes, switches as true or false",
    "Illegal character": "close the quotes on the same line",
    "Unterminated": "close the quotes",
    'Expected "\'"': "close the quotes",
    "Unescaped": "write the backslash twice",
    "Expected '='": "write key = value",
    "Expected newline": "begin a new line for the next key",
    "Unclosed": "close the bracket",
    "Expected ']'": "close the bracket",
}
_REPETITIONS = ("Cannot declare", "Cannot overwrite", "Cannot mutate", "Duplicate inline")


class Document(NamedTuple):
    """A parsed file: its values, and the line of each."""

    path: str
    data: dict[str, Any]
    places: Places

    def report(self, findings: Iterable[Finding]) -> tuple[str, ...]:
        """One line for each finding, from the top of the file down."""
        found = {(self.places.line(place), dotted(place), text) for place, text in findings}
        return tuple(told(self.path, *one) for one in sorted(found))


def read(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        # an editor's byte order mark is none of TOML's business
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([told(str(path), line, "", "not UTF-8; save it as UTF-8")]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "impossible path"
        text = f"cannot be read ({reason}); set RELAY_INTEGRATIONS to an integrations file"
        raise ConfigError([told(str(path), 0, "", text)]) from None


def parse(text: str, path: str) -> Document:
    """The document that a text stands for; `path` is only spoken of.

    Raises:
        ConfigError: the text is not TOML.
    """
    places = locate(text)
    try:
        return Document(path, tomllib.loads(text), places)
    except RecursionError:
        problem = told(path, 1, "", "brackets are nested too deeply; write flat tables")
    except ValueError as error:
        problem = _syntax_problem(str(error), text, path, places)
    # outside of the handlers: the parser's error holds the text, and the text may hold a secret
    raise ConfigError([problem])


def _last_line(reason: str, text: str, places: Places) -> int:
    """Where to look for an error at the end: what was never closed is the last key's value."""
    if reason.startswith(("Unclosed", "Unterminated", "Expected \"'")):
        # the key of a quotation that never ends is not known: its place is empty
        keys = [line for place, line in places.lines.items() if place and isinstance(place[-1], str)]
        if keys:
            return max(keys)
    return text.rstrip().count("\n") + 1


def _syntax_problem(error: str, text: str, path: str, places: Places) -> str:
    reason, _, position = error.partition(" (at ")
    at = re.match(r"line (\d+)", position)
    line = int(at[1]) if at else _last_line(reason, text, places)
    if reason.startswith(_REPETITIONS):
        earlier = [repeated for repeated in places.repeated if repeated <= line]
        if earlier:
            line = max(earlier)
            first = places.lines[places.repeated[line]]
            what = f"is here twice, first in line {first}; keep one, or rename one"
            return told(path, line, dotted(places.repeated[line]), what)
    keys = [place for place, stands in places.lines.items() if stands == line]
    key = dotted(keys[-1]) if keys else ""
    hint = next((hint for message, hint in _HINTS.items() if message in reason), "correct it here")
    return told(path, line, key, f"not TOML ({reason}); {hint}")
