"""`python -m tests.support.logs`: write the table of docs/logs.md from the calls in the code.

The meaning of each event is written by hand in the page and kept.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from worker.process.library_logs import NAMES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "logs.md"
LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3, "critical": 4}
# What every line has; no field may be called so.
RESERVED = frozenset({"timestamp", "level", "process", "event", "pid", "logger"})
_ROW = re.compile(r"^\| `(?P<name>\w+)` \| [^|]* \| [^|]* \| (?P<meaning>.*) \|$", re.MULTILINE)


def events() -> dict[str, tuple[set[str], set[str]]]:
    """Levels and fields of every event that the code logs, by name."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for path in sorted((ROOT / "worker").rglob("*.py")):
        for level, name, fields in _calls(ast.parse(path.read_text("utf-8"))):
            levels, known = found.setdefault(name, (set(), set()))
            levels.add(level)
            known.update(fields)
    for name in NAMES:
        found.setdefault(name, (set(), set()))
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, str, list[str]]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = ast.unparse(node.func.value)
        fields = [keyword.arg for keyword in node.keywords if keyword.arg]
        if owner == "self" and node.func.attr == "_say" and isinstance(node.args[0], ast.Constant):
            yield "critical", node.args[0].value, fields
        elif owner in {"log", "rare_log", "self._log", "self._refusals"} and node.func.attr in LEVELS:
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield node.func.attr, name.value, fields + (["times"] if owner != "log" else [])
        elif owner == "log" and node.func.attr == "at":
            yield "info", ast.literal_eval(node.args[1]), fields


def table(page: str) -> str:
    """The rows, with the meanings that the page has already."""
    meanings = {row["name"]: row["meaning"] for row in _ROW.finditer(page)}
    rows = ["| event | level | fields | what it means, what to do |", "|---|---|---|---|"]
    for name, (levels, fields) in sorted(events().items()):
        said = ", ".join(sorted(levels, key=LEVELS.__getitem__)) or "of a library"
        listed = ", ".join(f"`{field}`" for field in sorted(fields))
        rows.append(f"| `{name}` | {said} | {listed} | {meanings.get(name, '')} |")
    return "\n".join(rows)


def written(page: str) -> str:
    """The page with its table as it should be."""
    before, rest = page.split("<!-- events -->\n", 1)
    after = rest.split("<!-- /events -->", 1)[1]
    return f"{before}<!-- events -->\n{table(page)}\n<!-- /events -->{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
