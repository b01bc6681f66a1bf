"""Statements of a TOML text: its headers and pairs, each with where it is in the text."""

import re
import tomllib
from collections.abc import Iterator
from typing import Literal, NamedTuple

# Strings first: what looks like punctuation or a comment inside them is none.
_TOKENS = re.compile(
    r"""
    (?P<text> "{3} (?: \\. | [^\\] )*? "{3} "{0,2}  |  '{3} .*? '{3} '{0,2}
            | " (?: \\[^\n] | [^"\\\n] )* "         |  ' [^'\n]* '
            | [^][{},=.\s\#"']+ )
  | (?P<mark> [][{},=.] )
  | (?P<line> \r?\n )
  | (?P<skipped> \#[^\n]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)

Key = tuple[str, ...]


class Statement(NamedTuple):
    """A header (`table`) or a key with its value (`pair`).

    `key` is the way from the top of the file, `under` the header it is below. `start` and `end` are of its whole lines,
    `value` of a pair's value or of the header in its brackets; offsets into the text.
    """

    kind: Literal["table", "array", "pair"]
    key: Key
    under: Key
    start: int
    end: int
    value: tuple[int, int]

    @property
    def is_plain(self) -> bool:
        """Whether it is a pair with a key of one part, directly below the header of its table."""
        return self.kind == "pair" and self.key[:-1] == self.under


def statements(text: str) -> list[Statement]:
    """The statements of a text that tomllib accepts, in order."""
    found: list[Statement] = []
    under: Key = ()
    for tokens, start, end in _lines(text):
        if tokens[0][0] == "[":
            is_array = len(tokens) > 1 and tokens[1][0] == "["
            under = tuple(_plain(token[0]) for token in tokens if token.lastgroup == "text")
            brackets = (tokens[0].start(), tokens[-1].end())
            found.append(Statement("array" if is_array else "table", under, under, start, end, brackets))
        else:
            equals = next((n for n, token in enumerate(tokens) if token[0] == "="), len(tokens) - 1)
            own = tuple(_plain(token[0]) for token in tokens[:equals] if token.lastgroup == "text")
            value = (tokens[min(equals + 1, len(tokens) - 1)].start(), tokens[-1].end())
            found.append(Statement("pair", (*under, *own), under, start, end, value))
    return found


def _lines(text: str) -> Iterator[tuple[list[re.Match[str]], int, int]]:
    """The tokens of each statement, where its first line starts, and where its last one ends."""
    tokens: list[re.Match[str]] = []
    start = depth = 0
    for token in _TOKENS.finditer(text):
        if token.lastgroup == "line" and depth <= 0:
            if tokens:
                yield tokens, start, token.end()
            tokens, start, depth = [], token.end(), 0
        elif token.lastgroup in {"text", "mark"}:
            if tokens and tokens[0][0] != "[" and token.lastgroup == "mark":
                depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
            tokens.append(token)
    if tokens:
        yield tokens, start, len(text)


def _plain(key: str) -> str:
    """The name that a key is written for.

    >>> _plain('"*"'), _plain("plan"), _plain("'a b'")
    ('*', 'plan', 'a b')
    """
    if key[0] in {'"', "'"}:
        return str(next(iter(tomllib.loads(f"{key} = 0"))))
    return key


def written_key(key: Key) -> str:
    """A key as TOML writes it, parts in quotes where they must be.

    >>> written_key(("integrations", "production", "events")), written_key(("*",))
    ('integrations.production.events', '"*"')
    """
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part, re.ASCII) else written(part) for part in key)


def written(value: object) -> str:
    """A value as TOML writes it: text, switch, number, list or inline table.

    >>> written(True), written(["a", "b"]), written({"store_country": "country"})
    ('true', '["a", "b"]', '{ store_country = "country" }')
    """
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(_escaped(sign) for sign in value) + '"'
        case list() | tuple():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            pairs = ", ".join(f"{written_key((name,))} = {written(one)}" for name, one in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case _:
            return str(value)


def _escaped(sign: str) -> str:
    if sign in {'"', "\\"}:
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"
