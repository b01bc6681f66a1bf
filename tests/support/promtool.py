"""Prometheus's own tool, for the tests; Debian has it in the package `prometheus`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# A tool that is missing skips a test at home and fails it in CI, which installs it.
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None and not os.environ.get("CI"), reason="no promtool here: apt install prometheus"
)


def promtool(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run it; `text` is its standard input."""
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=280, check=False
    )
