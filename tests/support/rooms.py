"""`python -m tests.support.rooms`: write the module list of docs/architecture.md, and docs/architecture.svg."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
NAMES = ("Celery", "Customer.io", "Pydantic", "Purchasely", "Redis")  # keep their capital


def rooms() -> str:
    """The list of modules with the first sentence of each, as docs/architecture.md shows it; commands are left out."""
    lines = []
    for path in sorted([*ROOT.glob("worker/**/*.py"), *ROOT.glob("config/**/*.py")]):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith("worker/cli/"):
            said = sentence(path)
            begins_with_a_name = not (said[1:2].islower() or said.startswith("A ")) or said.startswith(NAMES)
            said = said if begins_with_a_name else said[:1].lower() + said[1:]
            lines.append(f"- `{name.removesuffix('/__init__.py')}` {said}")
    return "\n".join(lines)


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring, without its full stop; of a package, its `__init__.py`'s."""
    module = path / "__init__.py" if path.is_dir() else path
    said = (ast.get_docstring(ast.parse(module.read_text("utf-8"))) or "").split("\n\n", 1)[0]
    return re.split(r"(?<=[.])\s", " ".join(said.split()) + " ", maxsplit=1)[0].rstrip(".")


def written(page: str) -> str:
    """The page with its list as it should be."""
    before, rest = page.split("<!-- rooms -->\n", 1)
    after = rest.split("<!-- /rooms -->", 1)[1]
    return f"{before}<!-- rooms -->\n{rooms()}\n<!-- /rooms -->{after}"


def main() -> None:
    """Write both."""
    from tests.support import architecture

    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
    architecture.PICTURE.write_text(architecture.picture(), "utf-8")


if __name__ == "__main__":
    main()
