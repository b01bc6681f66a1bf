"""Rows as aligned columns of plain text: to be read, searched and cut by other programs."""

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


def fitted(rows: Sequence[Sequence[str]], width: int, drop: Iterable[int], shorten: int) -> list[list[str]]:
    """The rows, made to fit a width: columns are dropped in this order, at last the cells of one are shortened.

    >>> fitted([["1", "a long cause", "now"]], 10, drop=[2], shorten=1)
    [['1', 'a long…']]
    """
    left = list(range(len(rows[0]))) if rows else []
    widths = [max(len(row[place]) for row in rows) for place in left]

    def excess() -> int:
        return sum(widths[place] for place in left) + 2 * (len(left) - 1) - width

    for place in drop:
        if excess() > 0:
            left.remove(place)
    most = max(_SHORTEST, widths[shorten] - max(0, excess())) if rows else 0
    short = [[*row[:shorten], _cut(row[shorten], most), *row[shorten + 1 :]] for row in rows]
    return [[row[place] for place in left] for row in short]


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
