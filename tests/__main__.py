"""`python -m tests`: everything that must hold before a change lands.

`python -m tests --accept` runs nothing: it writes the expectations of new golden cases (tests/golden/README.md).
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.sharing import FIRST, SHARED

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

STEPS = {
    "format": ["ruff", "format", "--check", "--quiet", "."],
    "lint": ["ruff", "check", "--quiet", "."],
    "spelling": ["codespell"],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "tests": ["pytest", "--quiet"],
}
# Side by side where there are two cores, each with its server: tests mostly wait for the processes that they start.
# Both take files until none is left; they begin with different ones.
SIDES = ("tests/acceptance", "tests/integration")


def main(arguments: list[str]) -> int:
    """Run the steps in order, all of them even when one fails; arguments go to pytest."""
    if arguments == ["--accept"]:
        from tests.support import golden

        return golden.main()
    failed = []
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    for name, (command, *rest) in STEPS.items():
        extra = arguments if name == "tests" else []
        started = time.monotonic()
        print(f"== {name}: {' '.join([command, *rest, *extra])}", flush=True)
        shared = name == "tests" and not extra and (os.cpu_count() or 1) > 1 and "RELAY_REDIS_URL" not in os.environ
        with tempfile.TemporaryDirectory() as folder:
            sides = [{SHARED: folder, FIRST: first} for first in SIDES] if shared else [{}]
            code = run([str(BIN / command), *rest, *extra], [env | side for side in sides])
        ended = "ok" if code == 0 else f"failed ({code})"
        print(f"== {name}: {ended} in {time.monotonic() - started:.0f} s", flush=True)
        if code:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def run(command: list[str], environments: list[dict[str, str]]) -> int:
    """Run a command in each environment, all at once; what the first prints is seen at once, the rest at the end."""
    with contextlib.ExitStack() as stack:
        outputs = [None, *(stack.enter_context(tempfile.TemporaryFile()) for _ in environments[1:])]
        running = [
            subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT if output else None)
            for env, output in zip(environments, outputs, strict=True)
        ]
        codes = [one.wait() for one in running]
        for output in filter(None, outputs):
            output.seek(0)
            print(output.read().decode("utf-8", "replace"), flush=True)
    return max(codes, key=abs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
