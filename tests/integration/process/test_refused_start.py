"""What a process that cannot start says: in the form that was asked for, whichever process it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, procfile


@pytest.mark.parametrize("name", ["web", "worker", "beat", "console"])
def test_a_wrong_setting_is_one_line_of_the_log(name, tmp_path):
    """Exit 2, which no service manager restarts; a collector of JSON reads it."""
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RELAY_SHARDS": "many",
        "RELAY_LOG_FORMAT": "json",
        "RELAY_DATA_DIR": str(tmp_path),
    }
    command = ["/bin/sh", "-c", f"exec {procfile()[name]}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = map(json.loads, (done.stdout + done.stderr).splitlines())
    assert (line["process"], line["event"], line["level"]) == (name, "cannot_start", "critical")
    assert line["message"] == 'RELAY_SHARDS: "many" is no whole number'
