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


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as bars, nothing as a dot.

    >>> sparkline([0, 1, 4, 8])
    '·▁▄█'
    """
    most = max(counts, default=0)
    return "".join(_BARS[(count * len(_BARS) - 1) // most] if count else "·" for count in counts)
