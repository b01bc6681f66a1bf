"""Rows as aligned columns of plain text: to be read, searched and cut by other programs."""

import textwrap
from collections.abc import Iterable, Sequence

from worker.process.plain import plain


def columns(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """The rows as lines; columns named in `right` are aligned there, the last one is left ragged.

    A newline in a cell would be a row of its own: it is shown as its escape.

    >>> columns([["a", "1"], ["bcd", "22"]], right=[1])
    ['a     1', 'bcd  22']
    """
    if not rows:
        return []
    rows = [[plain(cell) for cell in row] for row in rows]
    flush = set(right)
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in flush else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


_SHORTEST = 7  # a cell shorter than that says nothing


def fitted(
    rows: Sequence[Sequence[str]], width: int, drop: Iterable[int], shorten: Sequence[tuple[int, int]]
) -> list[list[str]]:
    """The rows, made to fit a width: cells are cut, and before they are too short columns are dropped in this order.

    `shorten` has the columns that may be cut, the first one first, each with the least length that says something.

    >>> fitted([["1", "a long cause", "now"]], 10, drop=[2], shorten=[(1, 5)])
    [['1', 'a long…']]
    """
    left = list(range(len(rows[0]))) if rows else []
    widths = [max(len(row[place]) for row in rows) for place in left]

    def excess() -> int:
        return sum(widths[place] for place in left) + 2 * (len(left) - 1) - width

    def slack() -> int:
        return sum(max(0, widths[place] - least) for place, least in shorten if place in left)

    for place in drop:
        if excess() > slack():
            left.remove(place)
    for place, least in (*shorten, *((place, _SHORTEST) for place, _ in reversed(shorten))):
        widths[place] = min(widths[place], max(least, widths[place] - max(0, excess())))
    return [[_cut(row[place], widths[place]) for place in left] for row in rows]


def wrapped(rows: Sequence[Sequence[str]], width: int, right: Iterable[int] = ()) -> list[str]:
    """The rows as lines; what is too long in the last column goes on in the next line, under its beginning.

    >>> wrapped([["a", "one two"], ["b", ""]], 8)
    ['a  one', '   two', 'b']
    """
    if not rows:
        return []
    head = columns([[*row[:-1], "|"] for row in rows], right)
    lines = []
    for line, row in zip(head, rows, strict=True):
        begin = line[:-1]
        texts = textwrap.wrap(plain(row[-1]), max(_SHORTEST, width - len(begin))) or [""]
        lines += [f"{begin}{texts[0]}".rstrip(), *(" " * len(begin) + text for text in texts[1:])]
    return lines


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars, nothing as a dot.

    >>> sparkline([0, 1, 4, 8])
    '·▁▄█'
    """
    most = max(counts, default=0)
    return "".join(_BARS[(count * len(_BARS) - 1) // most] if count else "·" for count in counts)
