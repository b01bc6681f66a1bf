"""Charts as inline SVG: bars and sparklines, each with a title, a description, and the table of its numbers.

They have classes instead of colours, so that the style sheet decides in light and dark, and no style attribute, which
the pages' content security policy forbids.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from worker.process.wording import count, several
from worker.store.samples import Point, Series

# One step is so wide in the drawing's own units; the style sheet stretches it to the place it gets.
_STEP: Final = 10
_GAP: Final = 2
_HEIGHT: Final = 60
# The least height of what is not nothing: one failed event among thousands must be seen.
_LEAST: Final = 2.0

# What a bar is made of, from the bottom, with what people call it.
PARTS: Final = {"received": "received", "sent": "sent", "failed": "failed", "filtered": "filtered"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table behind a chart; `known` False: nobody counted then."""

    at_ms: int
    values: tuple[int, ...]
    known: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what it shows: the table's columns and rows, and the highest bar."""

    svg: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    most: int

    def __html__(self) -> str:
        """The drawing, which a template takes as it is."""
        return self.svg


def bars(
    series: Series,
    title: str,
    ident: str,
    parts: Sequence[str] = ("sent", "failed"),
    columns: Sequence[str] = ("received", "filtered", "sent", "failed"),
) -> Chart:
    """A bar for each step, its parts on top of each other; `ident` is of this chart alone on its page.

    The table behind it has these columns, the whole way of an event, not only what is drawn.
    A step that was held has a mark, one that nobody counted is drawn as unknown.
    """
    most = max((_height(point, parts) for point in series.points), default=0)
    drawn = [mark for n, point in enumerate(series.points) for mark in _bar(n, point, parts, most, series.step_ms)]
    rows = tuple(
        Row(point.at_ms, tuple(getattr(point, name) for name in columns), point.known) for point in series.points
    )
    svg = _svg(drawn, len(series.points), title, _described(series, parts), ident, "bars")
    return Chart(svg, tuple(PARTS[name] for name in columns), rows, most)


def sparkline(series: Series, title: str, ident: str, part: str = "sent") -> Chart:
    """A line through the steps, with gaps where nobody counted; the step that is not over is left out."""
    points = series.points[:-1]
    most = max((getattr(point, part) for point in points), default=0)
    drawn = []
    for run in _runs(points):
        place = [f"{n * _STEP + _STEP / 2:g},{_HEIGHT - _scaled(getattr(point, part), most):g}" for n, point in run]
        if len(place) == 1:
            place *= 2  # a line of one point is drawn as a dot by its round ends
        drawn.append(f'<polyline class="{part}" points="{" ".join(place)}"/>')
    rows = tuple(Row(point.at_ms, (getattr(point, part),), point.known) for point in points)
    return Chart(
        _svg(drawn, len(points), title, _described(series, (part,)), ident, "spark"), (PARTS[part],), rows, most
    )


def days(values: Sequence[int], title: str, ident: str) -> Chart:
    """A bar for each of the last days; the last one ends now."""
    most = max(values, default=0)
    drawn = [_rect("sent", n, 0, _scaled(value, most), count(value)) for n, value in enumerate(values)]
    said = f"{several(sum(values), 'event')} in {several(len(values), 'day')}"
    return Chart(_svg(drawn, len(values), title, said, ident, "days"), ("events",), (), most)


def _svg(drawn: Sequence[str], steps: int, title: str, said: str, ident: str, kind: str) -> str:
    ident = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in ident)
    box = f"0 0 {max(1, steps) * _STEP} {_HEIGHT}"
    return (
        f'<svg class="chart {kind}" viewBox="{box}" preserveAspectRatio="none" role="img" '
        f'aria-labelledby="{ident}-title {ident}-desc"><title id="{ident}-title">{escape(title)}</title>'
        f'<desc id="{ident}-desc">{escape(said)}</desc>{"".join(drawn)}</svg>'
    )


def _bar(n: int, point: Point, parts: Sequence[str], most: int, step_ms: int) -> Iterator[str]:
    at = point.at_ms, step_ms
    if not point.known:
        yield _rect("unknown", n, 0, _HEIGHT, "not counted", at)
        return
    said = ", ".join(f"{count(getattr(point, part))} {PARTS[part]}" for part in parts)
    base = 0.0
    for part in parts:
        height = _scaled(getattr(point, part), most)
        if height:
            yield _rect(part, n, base, min(height, _HEIGHT - base), said, at)
            base = min(base + height, _HEIGHT - _LEAST)
    if point.held:
        yield _rect("held", n, 0, _LEAST * 2, f"held, {several(point.waiting, 'event')} waiting", at)


def _rect(kind: str, n: int, base: float, height: float, said: str, at: tuple[int, int] | None = None) -> str:
    """A bar; `at` is its step, by time and length, which the page's script says in the reader's own zone."""
    x, width, y = n * _STEP + _GAP / 2, _STEP - _GAP, _HEIGHT - base - height
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    when, data = (f"{_when(*at)}: ", f' data-at="{at[0]}" data-said="{escape(said)}"') if at else ("", "")
    return f'<rect class="{kind}" {size}{data}><title>{escape(when + said)}</title></rect>'


def _scaled(value: int, most: int) -> float:
    return max(_LEAST, round(value * _HEIGHT / most, 2)) if value and most else 0.0


def _height(point: Point, parts: Sequence[str]) -> int:
    return sum(getattr(point, part) for part in parts)


def _runs(points: Sequence[Point]) -> Iterator[list[tuple[int, Point]]]:
    """The steps that somebody counted, in unbroken runs."""
    run: list[tuple[int, Point]] = []
    for n, point in enumerate(points):
        if point.known:
            run.append((n, point))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _described(series: Series, parts: Sequence[str]) -> str:
    """What the chart says, in a sentence: sums, and what is not known."""
    sums = ", ".join(f"{count(sum(getattr(p, part) for p in series.points))} {PARTS[part]}" for part in parts)
    unknown = sum(not point.known for point in series.points)
    return sums + (f"; {several(unknown, 'step')} not counted" if unknown else "")


def _when(at_ms: int, step_ms: int) -> str:
    """A step in UTC, as exact as its length."""
    return time.strftime("%H:%M UTC" if step_ms < 3_600_000 else "%-d %b %H:%M UTC", time.gmtime(at_ms / 1000))
