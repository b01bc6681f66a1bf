"""Line numbers of the keys of a TOML text: tomllib reads the values and forgets the lines."""

import re
import tomllib
from collections.abc import Iterator
from typing import Literal, NamedTuple

from config.errors import Place

# Strings first: what looks like punctuation inside them is none. A multi-line string may end in up
# to two quotes of its own before the closing three.
_TOKENS = re.compile(
    r"""
    (?P<text> "{3} (?: \\. | [^\\] )*? "{3} "{0,2}  |  '{3} .*? '{3} '{0,2}
            | " (?: \\[^\n] | [^"\\\n] )* "         |  ' [^'\n]* '
            | [^][{},=.\s\#"']+ )
  | (?P<mark> [][{},=.\n] )
  | (?P<skipped> \#[^\n]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)

# No integrations file nests so deeply, and a place costs as much as it is deep.
_DEPTH_LIMIT = 100


class Places:
    """The lines of a file's keys, counted from 1.

    `lines` has every key and list element; `repeated` the line of each second declaration, with
    its key.
    """

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.repeated: dict[int, Place] = {}
        self._declared: set[Place] = set()

    def line(self, place: Place) -> int:
        """The line of a key, or of the nearest table above it in the file; 1 for the whole."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def declare(self, place: Place, line: int) -> None:
        """Note a key; the tables it implies get its line until they get one of their own."""
        for end in range(1, len(place)):
            self.lines.setdefault(place[:end], line)
        if place in self._declared:
            self.repeated[line] = place
        else:
            self._declared.add(place)
            self.lines[place] = line


class _Token(NamedTuple):
    text: str
    line: int
    is_mark: bool


class _Open(NamedTuple):
    """What is not closed yet: the table of the last header, or a bracket within a value."""

    kind: Literal["table", "list", "inline"]
    place: Place


def locate(text: str) -> Places:
    """Find the line of every key: exact for text that tomllib accepts, a guess for any other."""
    walk = _Walk()
    for token in _tokens(text):
        walk.step(token)
        if len(walk.open) > _DEPTH_LIMIT:
            break
    return walk.places


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKENS.finditer(text):
        if match.lastgroup != "skipped":
            yield _Token(match[0], line, match.lastgroup == "mark")
        line += match[0].count("\n")


class _Walk:
    """One pass over the tokens: what is open, and the key or value being read."""

    def __init__(self) -> None:
        self.places = Places()
        self.open = [_Open("table", ())]
        self.key: list[str] = []
        self.value: Place | None = None  # the key whose value is being read; None: a key is
        self.header = 0  # opening brackets of the table header being read
        self.counts: dict[Place, int] = {}  # last position in each list, [[tables]] included

    def step(self, token: _Token) -> None:
        """Take one token."""
        if self.value is not None:
            self._read_value(token)
        elif not token.is_mark:
            self.key.append(_plain(token.text))
        elif self.header:
            self._read_header(token)
        else:
            self._read_key(token)

    def _read_key(self, token: _Token) -> None:
        within = self.open[-1]
        if token.text == "=":
            self.value = (*within.place, *self.key)
            self.places.declare(self.value, token.line)
            self.key = []
        elif token.text == "[" and within.kind == "table" and not self.key:
            self.header = 1
        elif token.text == "}" and within.kind == "inline":
            self._close()
        elif token.text != ".":
            self.key = []

    def _read_header(self, token: _Token) -> None:
        if token.text == "[" and not self.key:
            self.header = 2
        elif token.text in ("]", "\n"):
            if self.key:
                self._enter_table(token.line)
            # the second bracket of "]]" is then read as a key without a name, and dropped
            self.key, self.header = [], 0

    def _enter_table(self, line: int) -> None:
        place: Place = ()
        for part in self.key[:-1]:
            place = self._last_of((*place, part))
        place = (*place, self.key[-1])
        if self.header == 2:
            self.places.lines.setdefault(place, line)
            self.counts[place] = self.counts.get(place, -1) + 1
            place = self._last_of(place)
        self.places.declare(place, line)
        self.open = [_Open("table", place)]

    def _last_of(self, place: Place) -> Place:
        return (*place, self.counts[place]) if place in self.counts else place

    def _read_value(self, token: _Token) -> None:
        within, place = self.open[-1], self.value or ()
        if within.kind == "list" and (not token.is_mark or token.text in "[{"):
            self.places.lines.setdefault(place, token.line)
        if not token.is_mark:
            return
        if token.text == "[":
            self.open.append(_Open("list", place))
            self._next_element()
        elif token.text == "{":
            self.open.append(_Open("inline", place))
            self.value = None
        elif token.text == "," and within.kind == "list":
            self._next_element()
        elif (token.text, within.kind) in {(",", "inline"), ("\n", "table")}:
            self.value = None
        elif (token.text, within.kind) in {("]", "list"), ("}", "inline")}:
            self._close()

    def _next_element(self) -> None:
        place = self.open[-1].place
        self.counts[place] = self.counts.get(place, -1) + 1
        self.value = self._last_of(place)

    def _close(self) -> None:
        self.value = self.open.pop().place
        self.key = []


def _plain(key: str) -> str:
    """The name that a key stands for, without its quotes and escapes."""
    if key[0] == "'":
        return key.strip("'")
    if key[0] == '"':
        try:
            return str(tomllib.loads(f"key = {key}")["key"])
        except ValueError:
            return key.strip('"')
    return key
