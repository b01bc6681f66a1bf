"""The installations of the pages as they are typed, from the index that pip is set to; without one they are skipped.

What is installed must be what the lock pins, since that is what all other tests ran with.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.pages import ROOT, blocks
from tests.support.wheels import build, version

PAGE = "docs/operations.md"
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
KEPT = re.compile(r"(?:PIP|UV|SSL|REQUESTS)_|(?:HTTPS?|NO|ALL)_PROXY$|(?:PATH|HOME|LANG)$", re.IGNORECASE)

pytestmark = pytest.mark.timeout(900)  # everything is fetched


def bash(script, folder, **variables):
    """What a script printed; it must succeed."""
    env = {name: value for name, value in os.environ.items() if KEPT.match(name)}
    env["PATH"] = f"{os.path.dirname(sys.executable)}:{env['PATH']}"  # noqa: PTH120 - a link of the environment
    done = subprocess.run(
        ["/bin/bash", "-euc", script],
        cwd=folder,
        env={**env, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, script + done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def pinned(text):
    """Names in one spelling, each with its version; without what is for another Python or system."""
    found = [Requirement(line.rstrip(" \\")) for line in text.splitlines() if re.match(r"[\w.\[\],-]+==", line)]
    return {
        canonicalize_name(one.name): str(one.specifier)
        for one in found
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The wheel and the lock, as they are published together."""
    place = tmp_path_factory.mktemp("release")
    (place / "one.lock").write_text(re.search(r"^click==(?:.*\\\n)+.*\n", LOCK, re.MULTILINE)[0])
    quickly = ["--retries", "1", "--timeout", "15"]
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", "asked"]
    if subprocess.run([*asked, *quickly, "-r", "one.lock"], cwd=place, capture_output=True, check=False).returncode:
        pytest.skip("pip reaches no index here")
    shutil.copy(ROOT / "requirements.lock", place)
    build(place)
    return place


def frozen(python, folder):
    """What an environment has."""
    return pinned(bash(f"python -m pip --python {python} freeze --all", folder))


@pytest.fixture(scope="module")
def release(folder):
    """Its environment, as the page makes it: hash by hash, then the wheel."""
    _, _, relay_sh, *_ = blocks(PAGE, "sh")
    lines = [line for line in relay_sh.splitlines() if re.search(r"^RELEASE=| -m venv |pip install", line)]
    assert len(lines) == 4
    bash("\n".join(lines).replace("sudo ", "").replace("/opt/", f"{folder}/"), folder)
    return folder / f"relay-{version()}"


def test_the_locked_installation_and_its_extras(release, folder):
    """What the lock pins is there, and extras change no version of it."""
    python = release / "bin" / "python"
    first = frozen(python, folder)
    assert {**first, **pinned(LOCK)} == first, "a version is another one than that of the lock"
    assert bash(f"{release}/bin/relay --version", folder).split()[-1] == version()
    extras_sh = blocks(PAGE, "sh")[3].replace("sudo ", "").replace("/opt/", f"{folder}/")
    bash(f"RELEASE={version()}\n{extras_sh}", folder)
    second = frozen(python, folder)
    assert {**second, **first} == second
    assert "apprise" in second.keys() - {*pinned(LOCK)}


@pytest.mark.parametrize("extras", ["", "oidc,otel"])
def test_an_image_has_the_extras_that_it_was_built_with(extras, release, folder, tmp_path):
    """The build stage of deploy/Dockerfile, in a shell: the versions of the lock, and nothing more without EXTRAS."""
    stage = (ROOT / "deploy" / "Dockerfile").read_text("utf-8").split("\nFROM ")[1]
    steps = re.findall(r"^(RUN|COPY) ((?:.*\\\n)*.*)$", stage, re.MULTILINE)
    before = frozen(release / "bin" / "python", folder)
    for kind, step in steps:
        if kind == "COPY":
            *names, where = step.split()
            for name in names:
                there = tmp_path / where / (name if where == "./" else "")
                copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
                copy(ROOT / name, there)
        else:  # the release's environment is there already, so that nothing is fetched twice
            bash(step.replace("/opt/relay", str(release)), tmp_path, EXTRAS=extras)
    after = frozen(release / "bin" / "python", folder)
    assert {name: after.get(name) for name in pinned(LOCK)} == pinned(LOCK)
    wanted = {"otel": "opentelemetry-sdk", "oidc": "authlib"}
    assert {wanted[one] for one in extras.split(",") if one} <= after.keys()
    if not extras:
        assert after.keys() == before.keys()


@pytest.fixture(scope="module")
def tools(folder):
    """Pipx and uv, where a person would have them."""
    bash("python3 -m venv tools && tools/bin/pip install --quiet --disable-pip-version-check pipx uv", folder)
    return folder / "tools" / "bin"


@pytest.mark.parametrize("tool", ["pipx", "uv"])
def test_an_installation_for_one_person(tool, tools, folder, tmp_path):
    """`pipx` and `uv tool`, with the constraints that the page makes of the lock."""
    (line,) = re.findall(rf"`({tool} [^`]*WHEEL)`", (ROOT / PAGE).read_text("utf-8"))
    make, *_ = blocks(PAGE, "sh")[3].splitlines()
    shutil.copy(folder / "requirements.lock", tmp_path)
    (wheel,) = folder.glob("*.whl")
    homes = {"PIPX_HOME": "pipx", "PIPX_BIN_DIR": "bin", "PIPX_MAN_DIR": "man", "UV_TOOL_DIR": "uv"}
    homes |= {"UV_TOOL_BIN_DIR": "bin"}
    homes = {name: str(tmp_path / place) for name, place in homes.items()}
    bash(f"{make}\n{tools}/{line.replace('WHEEL', str(wheel))}", tmp_path, **homes)
    assert bash(f"{tmp_path}/bin/relay --version", tmp_path).split()[-1] == version()
    (python,) = (path.parent / "python" for path in tmp_path.glob("*/**/bin/relay") if path.parent != tmp_path / "bin")
    has = frozen(python, tmp_path)
    assert {name: has[name] for name in pinned(LOCK).keys() & has.keys()}.items() <= pinned(LOCK).items()
    assert {"celery", "redis"} <= has.keys()


def test_the_readmes_first_command(folder, tmp_path):
    """In a fresh checkout: an environment, the lock, the project, and the demo."""
    demo, *_ = blocks("README.md", "sh")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        if name.startswith(("worker/", "config/")) or "/" not in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    assert folder.exists()  # there is an index
    assert "✓  Redis itself counts the same (relay audit)" in bash(demo, tmp_path)
