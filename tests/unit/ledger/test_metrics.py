"""The exposition: Prometheus's conventions, by its own tool, and the page that lists it."""

import msgspec
import pytest

from tests.support import metrics
from tests.support.promtool import needs_promtool, promtool
from worker.ledger.metrics import render
from worker.ledger.operation import Operation
from worker.ledger.requests import read_requests


@needs_promtool
def test_the_metrics_are_as_prometheus_wants_them():
    """`promtool check metrics` has nothing to say."""
    ran = promtool("check", "metrics", text=metrics.exposition())
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_page_lists_every_metric():
    """docs/metrics.md is made from the code (`python -m tests.support.metrics`)."""
    page = metrics.PAGE.read_text("utf-8")
    assert page == metrics.written(page), "run python -m tests.support.metrics"


def test_histograms_have_their_sum():
    """So that a mean can be drawn."""
    lines = metrics.exposition().splitlines()
    assert 'relay_delivery_seconds_sum{integration="production"} 1.5' in lines
    assert 'relay_delivery_seconds_count{integration="production"} 5.0' in lines
    assert 'relay_customerio_request_duration_seconds_sum{integration="production"} 0.2' in lines
    assert 'relay_customerio_requests_total{integration="production",status="none"} 1.0' in lines


def test_a_follower_exports_itself_alone():
    """What is of all hosts is exported by one of them."""
    names = {line.split("{")[0].split(" ")[0] for line in render(None).decode().splitlines() if line[0] != "#"}
    assert names == {"relay_exporter", "relay_build_info"}


def test_a_broker_that_cannot_be_asked_has_no_queue():
    """0 would say that nothing waits."""
    figures = msgspec.structs.replace(metrics.figures(), operation=Operation(queue=None))
    lines = render(figures).decode().splitlines()
    assert not [line for line in lines if line.startswith("relay_broker_queue_messages")]


@pytest.mark.parametrize("name", ["trimmed", "request:a", "request:a:b:c", "other:a:1", ""])
def test_counters_of_others_are_passed_over(name):
    """An older or newer release may keep more of them."""
    assert read_requests({name: 1}) == {}
