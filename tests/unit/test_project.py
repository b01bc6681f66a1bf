"""The project's own papers: the lock files, the README's rooms, the judge's command."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def rooms() -> str:
    """The list of modules with the first sentence of each, as docs/architecture.md shows it."""
    lines = []
    for path in sorted([*ROOT.glob("worker/**/*.py"), *ROOT.glob("config/**/*.py")]):
        said = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n", 1)[0]
        sentence = re.split(r"(?<=[.])\s", " ".join(said.split()) + " ", maxsplit=1)[0].rstrip(".")
        name = path.relative_to(ROOT).as_posix().removesuffix("/__init__.py")
        if not path.relative_to(ROOT).as_posix().startswith("worker/cli/"):
            lines.append(f"- `{name}` {sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence}")
    return "\n".join(lines)


def test_the_architecture_page_lists_every_module_with_its_sentence() -> None:
    """Its list of modules is their own first sentences (written by `tests.support.rooms`)."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    shown = page.split("<!-- rooms -->\n", 1)[1].split("\n<!-- /rooms -->", 1)[0]
    assert shown.strip() == rooms()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_files_hold_every_dependency(lock: str) -> None:
    """What pyproject.toml asks for is pinned, with hashes, and no index is named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = (
        project["project"]["dependencies"] + project["dependency-groups"]["build"] + project["build-system"]["requires"]
    )
    if "dev" in lock:
        asked += project["dependency-groups"]["dev"]
    text = (ROOT / lock).read_text()
    pinned = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", text, flags=re.MULTILINE))
    assert {re.split(r"[\[<>=;~! ]", name)[0].lower() for name in asked} <= pinned
    assert "--hash=sha256:" in text
    assert "://" not in text


def test_the_readme_installs_nothing_that_is_not_pinned() -> None:
    """Each install is of a lock file, or of the project itself with the build back-end of the lock file."""
    installs = re.findall(r"pip install ([^&`\n]*)", (ROOT / "README.md").read_text())
    assert installs
    for options in installs:
        assert "-r requirements" in options or {"--no-deps", "--no-build-isolation"} <= set(options.split())


def test_the_judge_runs_the_readmes_own_test_command() -> None:
    """`.ci/run` takes its command from the README, so the two cannot differ."""
    judge = (ROOT / ".ci" / "run").read_text()
    script = re.search(r"command=\$\((.*)\)\n", judge)
    assert script is not None
    found = subprocess.run(
        ["bash", "-c", script[1]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found.startswith("python3 -m venv .venv && ")
    assert found.endswith(".venv/bin/python -m tests")
    assert found in (ROOT / "README.md").read_text()
