"""Waiting for signals."""

import os
import signal
import subprocess
import time

from worker.machine.signals import Signals


def test_a_signal_counts_and_ends_the_wait():
    """SIGTERM does not kill; it wakes who waits."""
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        signals.wait(600)
        assert signals.asked == 2


def test_the_death_of_a_child_ends_the_wait():
    """A supervisor learns of a death at once, without looking all the time."""
    with Signals() as signals:
        child = subprocess.Popen(["/bin/sh", "-c", "sleep 0.2"])
        while child.poll() is None:
            signals.wait(600)
        assert signals.asked == 0


def test_a_wait_ends_by_itself():
    """Without a signal it lasts as long as it was asked to."""
    with Signals() as signals:
        started = time.monotonic()
        signals.wait(0.05)
        signals.wait(-1)
    assert time.monotonic() - started > 0.04


def test_handlers_are_as_before_afterwards():
    """Nothing of it stays."""
    before = [signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
    with Signals():
        pass
    assert [signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)] == before


def test_what_was_ignored_stays_ignored():
    """A job under nohup survives the end of its terminal."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            signals.wait(0)
            assert signals.asked == 0
    finally:
        signal.signal(signal.SIGHUP, former)
