"""The shutdown flag, as one process sees it; signals to real ones are tried in the acceptance tests."""

import threading
import time

from worker.process.stop import Stop


def test_nobody_asked():
    """A new flag is down, and sleeping takes its time."""
    stop = Stop()
    started = time.monotonic()
    stop.sleep(0.15)
    assert time.monotonic() - started >= 0.15
    assert not stop.asked()


def test_a_sleeper_wakes_when_asked_to_stop():
    """A long wait between attempts does not hold up a stop."""
    stop = Stop()
    threading.Timer(0.1, stop.ask).start()
    stop.sleep(100_000)  # a day, which no test has
    assert stop.asked()
