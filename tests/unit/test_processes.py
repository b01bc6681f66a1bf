"""What tests start: it hears Ctrl-C wherever the tests run, and it is gone afterwards."""

import signal
import subprocess
import sys

import pytest

from tests.support.processes import hear_signals, started


def test_what_is_started_hears_ctrl_c_though_a_shell_ignored_it():
    """As for a run in the background of a script: `relay up` never ended there, nor did the test that waited for it."""
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    try:
        hear_signals()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        signal.raise_signal(signal.SIGINT)  # and the tests themselves go on
    finally:
        signal.signal(signal.SIGINT, former)
    assert done.stdout == "True\n"


def test_a_test_that_fails_leaves_no_process():
    """Nor does it wait for one that does not end by itself."""
    with pytest.raises(LookupError), started([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        raise LookupError
    assert process.returncode == -signal.SIGKILL
