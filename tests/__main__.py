"""`python -m tests`: everything that must hold before a change lands.

`python -m tests --accept` runs nothing: it writes the expectations of new golden cases (tests/golden/README.md).
"""

import os
import subprocess
import sys
import time
from pathlib import Path

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
# Three files at a time where there are two cores, each process with its server: tests mostly wait for what they start
# (14 minutes, with two at a time 19).
SHARED = ["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"]


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
        line = [str(BIN / command), *rest, *extra, *(SHARED if shared else [])]
        code = subprocess.run(line, check=False, cwd=ROOT, env=env).returncode
        ended = "ok" if code == 0 else f"failed ({code})"
        print(f"== {name}: {ended} in {time.monotonic() - started:.0f} s", flush=True)
        if code:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
