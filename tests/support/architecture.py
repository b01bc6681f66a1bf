"""The picture of the packages, docs/architecture.svg: drawn from the import contract and the page's numbered list.

`python -m tests.support.rooms` writes it.
"""

import re
import textwrap
import tomllib
from html import escape
from pathlib import Path
from typing import NamedTuple

from tests.support.rooms import PAGE, ROOT, sentence

PICTURE = ROOT / "docs" / "architecture.svg"
_WIDTH, _MARGIN, _GAP, _LEFT = 1080, 16, 10, 30
_NAME_PX, _LINE_PX, _CHARACTER_PX = 26, 15, 6.1
_FILLS = {"pure": "#e3f3e6", "outside": "#fdeedd", "other": "#eaf0fa"}
_LEGEND = {
    "pure": "pure: no I/O, no clock, no chance",
    "outside": "speaks to Redis, Customer.io or a sender",
    "other": "everything else",
}
_FONT = 'font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222"'
_LINE = 'fill="none" stroke="#8795ad" stroke-width="2"'
_OUTSIDE = {"ingest", "customerio", "store"}


class Box(NamedTuple):
    """A package or module of the picture, and where it is."""

    name: str
    x: float
    y: float
    width: float
    height: float


def layers() -> list[list[str]]:
    """The layers of the contract in pyproject.toml, from the top."""
    for contract in _contracts():
        if contract["type"] == "layers":
            return [row.split(" | ") for row in contract["layers"]]
    raise LookupError("no contract of layers")


def pure() -> set[str]:
    """The packages that the contract keeps free of I/O as a whole."""
    found = (one for one in _contracts() if one["name"] == "pure packages do no I/O")
    return {name.removeprefix("worker.") for name in next(found)["source_modules"]}


def way(page: str) -> list[str]:
    """The packages that an event passes, in order: the page's numbered list."""
    return re.findall(r"^\d+\. \*\*`([a-z]+)`\*\*", page, flags=re.MULTILINE)


def picture() -> str:
    """The SVG."""
    boxes, height = _boxes()
    steps: dict[str, list[str]] = {}
    for number, name in enumerate(way(PAGE.read_text("utf-8")), 1):
        steps.setdefault(name, []).append(str(number))
    drawn = [line for box in boxes for line in _drawn(box, steps.get(box.name, []))]
    return "\n".join([*_frame(height), *drawn, *_legend(height), "</svg>", ""])


def _contracts() -> list[dict[str, str | list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]


def _boxes() -> tuple[list[Box], float]:
    rows, y, boxes = [*layers(), ["config", "simulator"]], float(_MARGIN), []
    for row in rows:
        width = (_WIDTH - _LEFT - _MARGIN - _GAP * (len(row) - 1)) / len(row)
        height = _NAME_PX + _LINE_PX * max(len(_lines(name, width)) for name in row) + 6
        boxes += [Box(name, _LEFT + n * (width + _GAP), y, width, height) for n, name in enumerate(row)]
        y += height + _GAP + (_GAP if row is rows[-2] else 0)
    return boxes, y + 24


def _place(name: str) -> Path:
    package = ROOT / "config" if name == "config" else ROOT / "worker" / name
    return package if package.is_dir() else package.with_suffix(".py")


def _lines(name: str, width: float) -> list[str]:
    return textwrap.wrap(sentence(_place(name)), int((width - 16) / _CHARACTER_PX))


def _drawn(box: Box, steps: list[str]) -> list[str]:
    kind = "pure" if box.name in pure() else "outside" if box.name in _OUTSIDE else "other"
    name = f"{box.name}/" if _place(box.name).is_dir() else f"{box.name}.py"
    place = f'x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}"'
    found = [
        f'<rect {place} rx="5" fill="{_FILLS[kind]}" stroke="#8795ad"/>',
        f'<text x="{box.x + 8:.0f}" y="{box.y + 18:.0f}" class="n">{name}</text>',
    ]
    for n, line in enumerate(_lines(box.name, box.width)):
        y = box.y + _NAME_PX + _LINE_PX * n + 9
        found.append(f'<text x="{box.x + 8:.0f}" y="{y:.0f}">{escape(line)}</text>')
    for n, step in enumerate(reversed(steps)):
        x, y = box.x + box.width - 14 - 22 * n, box.y + 14
        found.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9" fill="#2b4c7e"/>')
        found.append(f'<text x="{x:.0f}" y="{y + 4:.0f}" class="s">{step}</text>')
    return found


def _frame(height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" {_FONT}>',
        "<title>The packages of the relay: imports go downwards only; numbers are the way of an event</title>",
        "<style>.n{font:bold 13px monospace}.s{font-size:11px;font-weight:bold;fill:#fff;text-anchor:middle}</style>",
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#fff"/>',
        f'<path d="M14 {_MARGIN + 4}V{height - 120:.0f}m-5 -9l5 9l5 -9" {_LINE}/>',
    ]


def _legend(height: float) -> list[str]:
    found, x, y = [], float(_LEFT), height - 14
    for kind, said in _LEGEND.items():
        found.append(
            f'<rect x="{x:.0f}" y="{y - 10:.0f}" width="14" height="12" fill="{_FILLS[kind]}" stroke="#8795ad"/>'
        )
        found.append(f'<text x="{x + 20:.0f}" y="{y:.0f}">{said}</text>')
        x += 60 + len(said) * _CHARACTER_PX
    found.append(f'<circle cx="{x + 8:.0f}" cy="{y - 4:.0f}" r="7" fill="#2b4c7e"/>')
    return [*found, f'<text x="{x + 20:.0f}" y="{y:.0f}">the way of an event</text>']
