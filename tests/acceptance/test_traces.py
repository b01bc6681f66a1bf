"""Spans of real workers at a real collector: none is lost because a worker is stopped, and no collector keeps one."""

import os
import signal
from contextlib import closing

import pytest

from tests.support.collector import Collector
from tests.support.payloads import payload
from tests.support.waiting import until

# None is sent before the worker ends, whatever the machine does meanwhile.
ENDLESS = {"OTEL_BSP_SCHEDULE_DELAY": "3600000", "OTEL_EXPORTER_OTLP_TIMEOUT": "600"}


@pytest.fixture
def collector():
    """Where spans go."""
    with closing(Collector()) as one:
        yield one


def delivered(make_stack, collector, pool):
    """A stack whose worker has delivered forty events and keeps the spans."""
    stack = make_stack(RELAY_TRACES="true", RELAY_POOL=pool, **collector.env, **ENDLESS).start()
    assert stack.post([payload("ACTIVATE", event_id=f"e{n}", user_id=f"u{n}") for n in range(40)]).status_code == 200
    until(lambda: stack.account.delivered == 40, "they are delivered")
    assert not collector.asked.is_set()
    return stack


@pytest.mark.parametrize("pool", ["threads", "prefork"])
@pytest.mark.parametrize("signalled", ["main", "group"])
def test_a_worker_that_is_stopped_sends_its_spans(make_stack, collector, pool, signalled):
    """A supervisor signals the main process alone (Kubernetes) or all of them (systemd, Heroku)."""
    stack = delivered(make_stack, collector, pool)
    worker = stack.processes["worker"]
    if signalled == "main":
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(60) == 0
    else:
        assert stack.kill("worker", signal.SIGTERM) == 0
    until(lambda: sum(len(span.links) for span in collector.spans) == 40, "a link to each event arrives")


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_collector_that_hangs_keeps_no_worker(make_stack, collector, pool):
    """It is given up after a moment, though its own time would be ten minutes."""
    stack = delivered(make_stack, collector, pool)
    collector.hangs = True
    assert stack.kill("worker", signal.SIGTERM) == 0
    assert collector.asked.is_set()
