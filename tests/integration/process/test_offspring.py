"""Processes of a pool end with the process that began them, also when it is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.stack import ROOT
from tests.support.waiting import until

PROGRAM = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from worker.process import offspring

if __name__ == "__main__":
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), offspring.begin, (3,)) as pool:
        print(pool.submit(os.getpid).result(), pool.submit(os.nice, 0).result() - os.nice(0), flush=True)
        sys.stdin.read()
"""


def test_a_killed_parent_leaves_nobody_behind(tmp_path):
    """The child was nicer than its parent, and is gone when the parent is."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    parent = subprocess.Popen(
        [sys.executable, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child, nicer = parent.stdout.readline().split()
    assert nicer == "3"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    until(lambda: not is_running(int(child)), "the child is gone")


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"  # one that nobody waits for is gone
