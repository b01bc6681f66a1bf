"""A TOML text that is changed key by key: comments, order and everything else stay as they were written."""

import copy
import tomllib
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from config.regions import Values, behind, inserted, line_break, past_comments, regions, tables
from config.statements import Key, Statement, statements, written, written_key


class UneditableError(Exception):
    """The text is written in a form that cannot be changed here; the message says which table."""


class Rewrite:
    """The text, and what it says.

    Each change is made line by line where the table has a header of its own; else by `tomlkit`, which knows every form
    (dotted keys, inline tables) and sometimes moves a comment. What comes out is read again, and must say exactly what
    was asked for.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.data: dict[str, Any] = tomllib.loads(text)

    def table(self, place: Key) -> dict[str, Any]:
        """What a table says; empty where there is none."""
        found: Any = self.data
        for key in place:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        return found if isinstance(found, dict) else {}

    def change(self, table: Key, values: Values) -> None:
        """Give keys of a table these values; None removes one. What is the same already is left as it is written.

        Raises:
            UneditableError: the text cannot be changed so.
        """
        now = self.table(table)
        new = {k: v for k, v in values.items() if (v is None and k in now) or (v is not None and not _same(now, k, v))}
        if not new:
            return
        expected = copy.deepcopy(self.data)
        _apply(_reached(expected, table), new)
        self._adopt((_by_lines(self.text, table, new), lambda: _by_tomlkit(self.text, table, new)), expected, table)

    def add(self, table: Key, values: Values) -> None:
        """Add a table with all that is in it, its sub-tables under headers of their own, behind its siblings.

        Raises:
            UneditableError: the text cannot be changed so.
        """
        expected = copy.deepcopy(self.data)
        _reached(expected, table[:-1])[table[-1]] = copy.deepcopy(dict(values))
        text = inserted(self.text, behind(self.text, table[:-1]), "\n".join(tables(table, values)))
        self._adopt((text,), expected, table)

    def remove(self, table: Key) -> None:
        """Remove a table, with the comments above its headers and in it.

        Raises:
            UneditableError: the text cannot be changed so.
        """
        expected = copy.deepcopy(self.data)
        del _reached(expected, table[:-1])[table[-1]]
        left = self.text
        for start, _, end in reversed(regions(left, table)):
            left = left[:start] + left[end:]
        self._adopt((left, lambda: _without(self.text, table)), expected, table)

    def copy(self, table: Key, name: str, changes: Values) -> None:
        """Add a copy of a table under another name, comments in it included, with some values changed.

        Raises:
            UneditableError: the text cannot be changed so.
        """
        new = (*table[:-1], name)
        lines = "".join(self.text[start:end] for _, start, end in regions(self.text, table))
        for one in reversed(statements(lines)):
            if one.kind == "table":
                start, end = one.value
                lines = f"{lines[:start]}[{written_key((*new, *one.key[len(table) :]))}]{lines[end:]}"
        expected = copy.deepcopy(self.data)
        _reached(expected, table[:-1])[name] = copy.deepcopy(self.table(table))
        at = behind(self.text, table)
        whole = "\n".join(tables(new, self.table(table)))
        self._adopt((inserted(self.text, at, lines.strip("\r\n")), inserted(self.text, at, whole)), expected, table)
        self.change(new, changes)

    def keep(self, integration: str) -> None:
        """Leave one integration, the source that it takes from, and whatever else is neither.

        Raises:
            KeyError: there is no such integration.
            UneditableError: the text cannot be changed so.
        """
        kept = {"integrations": integration, "sources": self.data["integrations"][integration].get("source")}
        for kind, name in kept.items():
            for other in [one for one in self.table((kind,)) if one != name]:
                self.remove((kind, other))

    def _adopt(self, ways: Any, expected: dict[str, Any], table: Key) -> None:
        """Take the first of these texts that says what is expected."""
        for way in ways:
            try:
                text = way() if callable(way) else way
                if text is None:
                    continue
                data = tomllib.loads(text)
            except (ValueError, TOMLKitError, KeyError, TypeError, AttributeError, IndexError):
                continue  # this way does not lead there; the texts of these errors are of no use to anybody
            if _filled(data) == _filled(expected):
                self.text, self.data = text, data
                return
        raise UneditableError(_refusal(table))


def _reached(data: dict[str, Any], place: Key) -> dict[str, Any]:
    """The table at a place, made if it is not there."""
    found: Any = data
    for key in place:
        found = found.setdefault(key, {})
        if not isinstance(found, dict):
            raise UneditableError(_refusal(place))
    assert isinstance(found, dict)
    return found


def _refusal(table: Key) -> str:
    return f"[{written_key(table)}] is written in a form that cannot be changed here; change the file itself"


def _same(table: Values, key: str, value: Any) -> bool:
    return key in table and type(table[key]) is type(value) and table[key] == value


def _apply(table: dict[str, Any], values: Values) -> None:
    for key, value in values.items():
        if value is None:
            del table[key]
        else:
            table[key] = value


def _filled(data: Any) -> Any:
    """The data without empty tables: whether one is there at all is a matter of headers."""
    if not isinstance(data, dict):
        return data
    return {key: value for key, below in data.items() if (value := _filled(below)) != {}}


def _by_lines(text: str, table: Key, values: Values) -> str | None:
    """The text with lines changed, added and removed; None where the table is not written line by line."""
    found = statements(text)
    pairs = {one.key[-1]: one for one in found if one.is_plain and one.under == table}
    edits: list[tuple[int, int, str]] = []
    added = []
    for key, value in values.items():
        there = pairs.get(key)
        if there is None and value is None:
            return None
        if there is None:
            added.append(f"{written_key((key,))} = {written(value)}")
        elif value is None:
            edits.append((there.start, there.end, ""))
        else:
            edits.append(_replaced(text, there, written(value)))
    if added:
        edits.append(_added(text, found, table, added))
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _replaced(text: str, pair: Statement, value: str) -> tuple[int, int, str]:
    """The edit of a value; a comment behind it keeps its column, if there is room."""
    start, end = pair.value
    rest = text[end : pair.end]
    spaces = len(rest) - len(rest.lstrip(" "))
    if spaces and rest.lstrip(" ").startswith("#"):
        room = max(1, spaces - (len(value) - (end - start)))
        return start, end + spaces, value + " " * room
    return start, end, value


def _added(text: str, found: list[Statement], table: Key, lines: list[str]) -> tuple[int, int, str]:
    """The edit that adds lines to a table, which gets a header if it has none."""
    broken = line_break(text)
    if any(one.kind == "table" and one.key == table for one in found):
        last = [one for one in found if one.under == table][-1]
        at = past_comments(text, last.end)
    else:
        at = behind(text, table[:-1])
        lines = [*([""] if at else []), f"[{written_key(table)}]", *lines]
    first = broken if at and not text[:at].endswith("\n") else ""
    return at, at, first + broken.join([*lines, ""])


def _by_tomlkit(text: str, table: Key, values: Values) -> str:
    document = tomlkit.parse(text)
    target: Any = document
    for key in table:
        if key not in target:
            target[key] = tomlkit.table()
        target = target[key]
    for key, value in values.items():
        if value is None:
            del target[key]
        else:
            target[key] = value
    return tomlkit.dumps(document)


def _without(text: str, table: Key) -> str:
    document = tomlkit.parse(text)
    target: Any = document
    for key in table[:-1]:
        target = target[key]
    del target[table[-1]]
    return tomlkit.dumps(document)
