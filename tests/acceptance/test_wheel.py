"""The built wheel, installed where there is no checkout: it has every file that it reads, and `relay demo` runs."""

import subprocess
import zipfile

import pytest

from tests.support.wheels import ROOT, build, install, run, version


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without network."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with it."""
    return install(wheel, tmp_path_factory.mktemp("empty") / "venv")


def test_the_wheel_has_every_file_of_its_packages(wheel):
    """Scripts, catalogues, pages: whatever is in the folders is read at run time."""
    listed = subprocess.run(
        ["git", "ls-files", "worker", "config"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    with zipfile.ZipFile(wheel) as archive:
        assert set(listed) <= set(archive.namelist())
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    assert f"\nVersion: {version()}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata


def test_the_demo_runs_without_a_checkout(installed, tmp_path):
    """The version is that of the project, the code is the installed one, and the books balance."""
    python, relay = installed / "bin" / "python", installed / "bin" / "relay"
    assert run(relay, "--version", cwd=tmp_path).split()[-1] == version()
    where = run(python, "-c", "import worker, config; print(worker.__file__, config.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where
    assert "✓  Redis itself counts the same (relay audit)" in run(relay, "demo", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
