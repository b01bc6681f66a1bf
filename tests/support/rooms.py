"""`python -m tests.support.rooms`: write the list of modules in docs/architecture.md."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Put the modules' first sentences between the README's two marks."""
    spec = importlib.util.spec_from_file_location("test_project", ROOT / "tests" / "unit" / "test_project.py")
    assert spec is not None
    assert spec.loader is not None
    project = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(project)
    page = ROOT / "docs" / "architecture.md"
    before, rest = page.read_text().split("<!-- rooms -->\n", 1)
    after = rest.split("<!-- /rooms -->", 1)[1]
    page.write_text(f"{before}<!-- rooms -->\n{project.rooms()}\n<!-- /rooms -->{after}")


if __name__ == "__main__":
    main()
