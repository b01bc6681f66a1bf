"""Progress of what takes long: nothing for two seconds, then a bar on a terminal, and lines elsewhere."""

import os
import pty
import subprocess
import sys

import pytest

from tests.support.waiting import until
from worker.cli.progress import Progress, busy, counted


def clock(step_s):
    """A clock that goes on by a step with each look."""
    now_s = 0.0

    def look():
        nonlocal now_s
        now_s += step_s
        return now_s

    return look


def test_what_is_over_soon_says_nothing(capsys):
    """Two seconds are no time."""
    with Progress("events", 10, clock=clock(0.15)) as progress:
        for number in range(10):
            progress.at(number)
    assert list(counted(range(5), "letters")) == [0, 1, 2, 3, 4]
    with busy("looking"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_file_or_a_pipe_gets_a_line_now_and_then(capsys):
    """How many, how fast, and how near the end that is where somebody knows; never on standard output."""
    with Progress("events", 200, clock=clock(3)) as progress:
        for number in (30, 60, 90, 120):
            progress.at(number, place=number / 2)
    assert capsys.readouterr() == ("", "120 events, 10/s, 30 %\n")
    with Progress("letters", clock=clock(11)) as progress:
        progress.at(22)
    assert capsys.readouterr().err == "22 letters, 2/s\n"


def test_a_program_is_not_disturbed(capsys):
    """With `--json` there is none."""
    with Progress("events", quiet=True, clock=clock(60)) as progress:
        progress.at(1)
    assert capsys.readouterr() == ("", "")


BAR = """
from worker.cli.progress import Progress
times = iter([0.0, 3.0, 4.0, 5.0])
with Progress("events", 100, clock=lambda: next(times)) as progress:
    for number in (30, 60, 90):
        progress.at(number)
print("done")
"""
SPIN = """
import worker.cli.progress as progress
progress.AFTER_S = 0.05
import threading
with progress.busy("looking for it"):
    threading.Event().wait(1)
print("done")
"""


@pytest.mark.parametrize(("code", "shown"), [(BAR, "90 events, 18/s"), (SPIN, "looking for it")])
def test_a_terminal_gets_a_bar_that_goes_away(code, shown):
    """What is printed then begins on a line of its own."""
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen([sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    os.set_blocking(master, False)
    text = b""

    def ended():
        nonlocal text
        try:
            text += os.read(master, 65_536)
        except OSError:
            return process.poll() is not None
        return False

    until(ended, "it ends")
    os.close(master)
    assert process.returncode == 0
    assert shown in text.decode()
    assert text.decode().splitlines()[-1].endswith("done")
