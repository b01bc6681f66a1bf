"""Instances of processes: which still runs, and which does not."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.support.waiting import until
from worker.process.instance import instance, instance_of, is_running, new_token


@pytest.fixture
def other():
    """A process of this machine, and its instance."""
    code = "from worker.process.instance import instance; print(instance(), flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process, process.stdout.readline().strip()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_this_process_runs():
    """And its tokens say that they are its own; none is given out twice."""
    assert is_running(instance()) is True
    assert instance_of(new_token()) == instance()
    assert new_token() != new_token()


def test_a_frozen_process_runs(other):
    """It is stopped, not ended."""
    process, name = other
    process.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, "it is frozen")
    assert is_running(name) is True


def test_a_killed_process_runs_no_more(other):
    """Whether its parent has looked at its end or not."""
    process, name = other
    process.kill()
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, "it is dead")
    assert is_running(name) is False
    process.wait()
    assert is_running(name) is False


def test_a_pid_that_is_used_again_is_another_process():
    """Its start tells them apart."""
    machine, pid, start = instance().split(".")
    assert is_running(f"{machine}.{pid}.{int(start) - 1}") is False


def test_of_other_machines_nothing_is_known():
    """Nor of what is no instance."""
    machine = instance().split(".")[0]
    for name in ("", "abc", f"0123456789abcdef.{os.getpid()}.1", f"{machine}.x.1"):
        assert is_running(name) is None, name


def test_tokens_of_earlier_releases_name_no_process():
    """They were chance alone."""
    assert instance_of("0123456789abcdef0123456789abcdef") == ""
