"""Regions of a TOML text: the lines that are a table's, where a new table goes, and how one is written."""

from collections.abc import Mapping
from typing import Any

from config.statements import Key, statements, written, written_key

Values = Mapping[str, Any]


def regions(text: str, table: Key) -> list[tuple[int, int, int]]:
    """The parts of a text that are a table's: where the comment above begins, the header, and where the part ends.

    A comment directly above a header belongs to it.
    """
    heads = [one for one in statements(text) if one.kind != "pair"]
    found: list[tuple[int, int, int]] = []
    for n, head in enumerate(heads):
        if head.key[: len(table)] != table:
            continue
        end = _comment_above(text, heads[n + 1].start) if n + 1 < len(heads) else len(text)
        start = _comment_above(text, head.start)
        if found and found[-1][2] == start:
            found[-1] = (found[-1][0], found[-1][1], end)
        else:
            found.append((start, head.start, end))
    return found


def _comment_above(text: str, at: int) -> int:
    while at:
        start = text.rfind("\n", 0, at - 1) + 1
        if not text[start:at].startswith("#"):
            break
        at = start
    return at


def behind(text: str, parent: Key) -> int:
    """Where a new table below a parent goes: behind all that is the parent's, else at the end."""
    found = regions(text, parent) if parent else []
    if not found or found[-1][2] == len(text):
        return len(text)
    last = len(text[: found[-1][2]].rstrip())
    return text.index("\n", last) + 1


def past_comments(text: str, at: int) -> int:
    """The place after indented comments, which go on from the line before."""
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        line = text[at:end]
        if not (line[:1] in {" ", "\t"} and line.lstrip().startswith("#")):
            break
        at = end
    return at


def inserted(text: str, at: int, lines: str) -> str:
    """The text with a block of lines of its own."""
    broken = line_break(text)
    before = text[:at]
    block = lines.replace("\r\n", "\n").replace("\n", broken) + broken
    if before and not before.endswith("\n"):
        before += broken
    return before + (broken if before else "") + block + text[at:]


def line_break(text: str) -> str:
    """How the lines of a text end."""
    return "\r\n" if "\r\n" in text else "\n"


def tables(table: Key, values: Values) -> list[str]:
    """A table as lines, and each table in it under a header of its own."""
    lines = [f"[{written_key(table)}]"]
    lines += [f"{written_key((key,))} = {written(value)}" for key, value in values.items() if not _is_table(key, value)]
    for key, value in values.items():
        if _is_table(key, value):
            lines += ["", *tables((*table, key), value)]
    return lines


def _is_table(key: str, value: Any) -> bool:
    return isinstance(value, dict) and key != "rename"
