"""The built wheel, installed where there is no checkout: it has every file that it reads, and `relay demo` runs."""

import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = {".pyc"}


def run(*command, cwd, **env):
    """What a command printed; it must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}, **env},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without network, by the tools of the lock."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of an environment that has the wheel and its dependencies, and nothing of the checkout."""
    folder = tmp_path_factory.mktemp("empty")
    environment = folder / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", environment / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel, cwd=folder)
    (packages,) = environment.glob("lib/python*/site-packages")
    # the dependencies of this environment; the checkout is not among them, since a path's own .pth files are not read
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment


def test_the_wheel_has_every_file_of_its_packages(wheel):
    """Scripts, catalogues, pages: whatever is in the folders is read at run time."""
    listed = subprocess.run(
        ["git", "ls-files", "worker", "config"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        assert set(listed) <= set(archive.namelist())
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nVersion: {version}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata


def test_the_demo_runs_without_a_checkout(installed, tmp_path):
    """The version is that of the project, the code is the installed one, and the books balance."""
    python, relay = installed / "bin" / "python", installed / "bin" / "relay"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run(relay, "--version", cwd=tmp_path).split()[-1] == version
    where = run(python, "-c", "import worker, config; print(worker.__file__, config.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where
    assert "yes  Redis itself counts the same (relay audit)" in run(relay, "demo", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
