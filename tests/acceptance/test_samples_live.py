"""The books are sampled and codes counted by the relay's own processes, whoever of them is killed."""

import signal
import subprocess
import time

from tests.support.payloads import payload
from tests.support.stack import ROOT
from tests.support.waiting import until
from worker.store.arrivals import Arrivals
from worker.store.samples import Samples


def ask(stack):
    """Send the message that beat sends every twenty seconds."""
    command = ["celery", "--quiet", "--app", "worker.tasks", "call", "relay.sample"]
    subprocess.run(command, cwd=ROOT, env=stack.env, capture_output=True, timeout=60, check=True)


def counted(stack):
    """How often each code came in the last seven days, and what the last samples say was received."""
    now_ms = time.time_ns() // 1_000_000
    week = Arrivals(stack.parts.redis).week("app", ["PRODUCTION"], now_ms)
    points = Samples(stack.parts.redis).series(["production"], "15m", now_ms)["production"].points
    return {code: seen.events for code, seen in week.items()}, sum(point.known for point in points)


def test_counts_survive_kills(make_stack):
    """Two messages of one minute keep one sample; a worker that is killed counts nothing twice."""
    stack = make_stack().start()
    stack.post([payload("ACTIVATE", user_id=f"u{n}", event_id=f"a{n}") for n in range(30)])
    until(lambda: stack.account.delivered == 30, "all are delivered")
    ask(stack)
    until(lambda: counted(stack)[0] == {"ACTIVATE": 30}, "each is counted")
    stack.kill("worker", signal.SIGKILL)
    stack.post([payload("RENEWAL_DISABLED", user_id=f"u{n}", event_id=f"r{n}") for n in range(7)])
    ask(stack)
    ask(stack)
    stack.start("worker")
    until(lambda: counted(stack)[0] == {"ACTIVATE": 30, "RENEWAL_DISABLED": 7}, "the rest is counted, once")
    samples = stack.parts.redis.xlen("relay:samples")
    assert 1 <= samples <= 4
    assert counted(stack)[1] == samples
