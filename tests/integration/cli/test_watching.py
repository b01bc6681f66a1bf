"""`--watch` on a terminal of its own: the newest picture alone, with rates, until Ctrl-C."""

import contextlib
import os
import pty
import re
import signal
import sys

import pytest

from tests.support.deadstack import event, opened
from tests.support.processes import started
from tests.support.waiting import until
from worker.cli.watching import Rates


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay with three refused events, and one job."""
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}))
        stack.deliver(*[event(n, "BAD") for n in range(3)])
        stack.start(stack.letters())
        yield stack


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["status"], "now 0/s in, 0/s sent"),
        (["dead"], "Customer.io refused the event name"),
        (["jobs"], "running"),
        (["jobs", "list"], "running"),
    ],
)
def test_a_terminal_is_drawn_again_until_ctrl_c(dead, arguments, shown):
    """Twice at least, at its width; then it ends with 0, and the screen is given back."""
    from worker.ledger.figures import Ledger
    from worker.ledger.sampling import take_sample
    from worker.store.samples import Samples

    take_sample(Samples(dead.parts.redis), Ledger(dead.parts).accounts)
    master, slave = pty.openpty()
    env = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    env |= dead.environ | {"COLUMNS": "140", "LINES": "40", "TERM": "xterm"}
    run = [sys.executable, "-c", "from worker.cli import main; main()", *arguments, "--watch", "--every", "0.2"]
    text = b""

    def times():
        nonlocal text
        with contextlib.suppress(OSError):  # nothing is there yet, or the other side has gone
            text += os.read(master, 100_000)
        return re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", text).decode().count(shown)

    with started(run, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True) as process:
        os.close(slave)
        os.set_blocking(master, False)
        until(lambda: times() >= 2, "it is drawn twice", within_s=90)
        process.send_signal(signal.SIGINT)
        until(lambda: (times(), process.poll())[1] is not None, "it ends")
    os.close(master)
    assert process.returncode == 0
    assert b"Traceback" not in text


def test_rates_are_what_changed_since_the_last_look():
    """Nothing at first, nor of what has just come; a count that shrinks has a rate below 0."""
    now = iter([10.0, 12.0, 13.0])
    rates = Rates(lambda: next(now))
    assert rates.of({"a": (5, 1)}) == {}
    assert rates.of({"a": (9, 1), "b": (3, 3)}) == {"a": (2.0, 0.0)}
    assert rates.of({"b": (1, 4)}) == {"b": (-2.0, 1.0)}
