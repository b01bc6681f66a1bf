"""The wheel of the project, and an environment that has it and nothing of the checkout; both without network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*command: object, cwd: Path, **env: str) -> str:
    """What a command printed; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def version() -> str:
    """The number of the release, as pyproject.toml has it."""
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def build(folder: Path, number: str = "") -> Path:
    """The wheel, made by the tools of the lock; under another number, if one is given."""
    source = ROOT
    if number:
        source = folder / f"source-{number}"
        for name in ("worker", "config"):
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            text = (ROOT / name).read_text("utf-8")
            (source / name).write_text(text.replace(f'\nversion = "{version()}"\n', f'\nversion = "{number}"\n'))
    wheel = ("wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    run(*_PIP, *wheel, cwd=folder)
    (built,) = folder.glob(f"*-{number or version()}-*.whl")
    return built


def install(wheel: Path, environment: Path) -> Path:
    """An environment with the wheel, and the dependencies of this one."""
    folder = environment.parent
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin" / "python"
    run(*_PIP, "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    # the checkout is not among them: .pth files are not read in a path that a .pth file names
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment
