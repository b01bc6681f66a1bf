"""The project's own papers: the lock files, the README's rooms, the judge's command."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.support import architecture, rooms
from tests.support.pages import blocks

ROOT = Path(__file__).parents[2]


def test_the_architecture_page_lists_every_module_with_its_sentence() -> None:
    """Its list of modules is their own first sentences (written by `tests.support.rooms`)."""
    page = rooms.PAGE.read_text("utf-8")
    assert page == rooms.written(page)


def test_the_picture_of_the_packages_is_current() -> None:
    """docs/architecture.svg is what `tests.support.rooms` draws from the import contract and the page."""
    assert architecture.PICTURE.read_text("utf-8") == architecture.picture()


def test_every_package_has_a_place_in_the_picture_and_on_the_page() -> None:
    """A newcomer finds each package in the picture, and a row that says what belongs in it."""
    packages = {path.parent.name for path in ROOT.glob("worker/*/__init__.py")}
    drawn = {name for row in architecture.layers() for name in row} | {"simulator"}
    assert packages <= drawn
    page = rooms.PAGE.read_text("utf-8")
    table = page.split("## Where a line belongs")[1].split("\n## ")[0]
    assert {name for name in packages if f"`{name}/" not in table} == set()
    assert set(architecture.way(page)) <= drawn
    assert len(architecture.way(page)) == 12


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


def test_whatever_the_relay_imports_comes_with_it() -> None:
    """An installation has what the lock pins, nothing that the tests happen to bring; extras are named here."""
    extras = {"apprise", "authlib", "botocore", "joserfc", "obstore", "opentelemetry", "zstandard"}
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    of_package = metadata.packages_distributions()
    missing = set()
    for path in [*ROOT.glob("worker/**/*.py"), *ROOT.glob("config/**/*.py")]:
        for name in _imported(ast.parse(path.read_text("utf-8"))) - sys.stdlib_module_names - {"worker", "config"}:
            owners = {re.sub(r"[-_.]+", "-", owner).lower() for owner in of_package.get(name, ())}
            if name not in extras and not owners & locked:
                missing.add((name, path.name))
    assert missing == set()


def _imported(tree: ast.Module) -> set[str]:
    """The outermost packages that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_the_readme_installs_nothing_that_is_not_pinned() -> None:
    """Each install is of a lock file, or of the project itself with the build back-end of the lock file."""
    installs = re.findall(r"pip install ([^&`\n]*)", (ROOT / "README.md").read_text())
    assert installs
    for options in installs:
        assert "-r requirements" in options or {"--no-deps", "--no-build-isolation"} <= set(options.split())


def test_the_pages_name_files_that_exist() -> None:
    """A page that names a module, a test or a folder names one that is there."""
    names = re.compile(r"\b(?:worker|config|tests|docs|bench)/[\w./-]+\.(?:py|md|toml|svg|json|lua)\b")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/**/*.md")]
    missing = {
        f"{page.name}: {name}"
        for page in pages
        for name in names.findall(page.read_text("utf-8"))
        if not (ROOT / name).exists()
    }
    tests = {path.name for path in ROOT.glob("tests/**/test_*.py")}
    said = {name for page in pages for name in re.findall(r"\btest_\w+\.py\b", page.read_text("utf-8"))}
    assert (missing, said - tests) == (set(), set())


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
    _demo, judged, *_ = blocks("README.md", "sh")
    assert judged.strip() == found


def test_pre_commit_and_just_run_what_the_judge_runs() -> None:
    """Each check of `just check` and each hook is a tool of the lock file and a step of `python -m tests`."""
    steps = set(re.findall(r'\["(ruff|codespell|mypy|lint-imports)"', (ROOT / "tests" / "__main__.py").read_text()))
    check = (ROOT / "justfile").read_text().split("\ncheck:\n")[1].split("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"\{\{bin\}\}/([\w-]+)", check)) == steps
    assert set(re.findall(r"entry: \.venv/bin/([\w-]+)", hooks)) <= steps


def test_no_test_sleeps_outside_of_the_one_way_to_wait() -> None:
    """Tests wait with `until`; `elapse` is for time that belongs to the scenario. `asyncio.sleep(0)` only yields."""
    sleeps = re.compile(r"^(?:time|asyncio)\.sleep\((?!0\))|^from (?:time|asyncio) import .*\bsleep\b")
    tests = [path for path in ROOT.glob("tests/**/*.py") if path.name != "waiting.py"]
    found = {path.name: line for path in tests for line in _code(path) if sleeps.search(line)}
    assert found == {}


def _code(path: Path) -> list[str]:
    """A module's calls and imports; a program in a string is not one."""
    tree = ast.parse(path.read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return imports + [f"{ast.unparse(call.func)}({', '.join(map(ast.unparse, call.args))})" for call in calls]


@pytest.mark.parametrize("kind", ["unit", "integration"])
def test_the_test_tree_mirrors_the_packages(kind: str) -> None:
    """Each folder of unit and integration tests is named for a package of the relay, or is config."""
    rooms = {path.parent.name for path in ROOT.glob("worker/*/__init__.py")} | {"config"}
    folders = {path.parent.relative_to(ROOT / "tests" / kind) for path in ROOT.glob(f"tests/{kind}/**/test_*.py")}
    assert {folder.parts[0] for folder in folders if folder.parts} <= rooms


def test_no_integration_test_is_outside_of_its_package() -> None:
    """An integration test is in the folder of the package that it tries."""
    assert [path.name for path in ROOT.glob("tests/integration/test_*.py")] == []
