"""What a process that cannot start says: in the form that was asked for, whichever process it is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT, procfile


def refusal(name, folder, **env):
    """The one line of a process that does not start, and exit 2, which no service manager restarts."""
    env |= {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RELAY_LOG_FORMAT": "json",
        "RELAY_DATA_DIR": str(folder),
    }
    command = ["/bin/sh", "-c", f"exec {procfile()[name]}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    (line,) = map(json.loads, (done.stdout + done.stderr).splitlines())
    assert (line["process"], line["event"], line["level"]) == (name, "cannot_start", "critical")
    return line["message"]


@pytest.mark.parametrize("name", ["web", "console"])
def test_an_address_that_may_not_be_read_is_one_line_too(name, tmp_path):
    """`relay up` left it, and runs as another user; it was a traceback of a variable without a value."""
    (tmp_path / "redis.url").symlink_to(tmp_path / "redis.url")
    assert "redis.url cannot be read (Too many levels" in refusal(name, tmp_path)


@pytest.mark.parametrize("name", ["web", "worker", "beat", "console"])
def test_a_wrong_setting_is_one_line_of_the_log(name, tmp_path):
    """A collector of JSON reads it."""
    assert refusal(name, tmp_path, RELAY_SHARDS="many") == 'RELAY_SHARDS: "many" is no whole number'
