"""Spans of requests to Customer.io: one a request, with a link to each event; off they do not exist."""

import subprocess
import sys
import threading
from contextlib import closing

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.collector import Collector
from tests.support.deadstack import event, opened
from tests.support.servers import free_port
from tests.support.waiting import elapse, until
from worker.customerio import spans
from worker.customerio.sender import Attempt
from worker.customerio.spans import LINKS_MOST, Spans, close_spans, open_spans


@pytest.fixture
def exported():
    """Spans, and what they export."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_links=LINKS_MOST))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Spans(provider.get_tracer("test")), exporter


def test_a_request_is_a_span_with_a_link_to_each_event(tmp_path, redis_url, customerio, exported, monkeypatch):
    """Events that are delivered, and dead letters that are replayed."""
    made, exporter = exported
    monkeypatch.setattr("worker.delivery.workshop.open_spans", lambda **_: made)
    with opened(tmp_path, redis_url, customerio) as stack:
        stack.deliver(*[event(n) for n in range(6)])
    found = exporter.get_finished_spans()
    assert sum(len(span.links) for span in found) == 6
    for span in found:
        assert span.name == "POST /api/v2/batch"
        assert (span.attributes["http.response.status_code"], span.attributes["relay.events"]) == (200, len(span.links))
        assert {link.attributes["relay.event"].partition("/")[0] for link in span.links} == {
            str(span.attributes["relay.shard"])
        }
        assert span.end_time >= span.start_time


def test_each_attempt_is_a_span(exported):
    """With its own beginning and end; what failed is an error; no more links than collectors take."""
    made, exporter = exported
    attempts = [Attempt(1000, 503, "", 20), Attempt(2000, 200, "", 30)]
    made.record("production", 3, attempts, [f"{n}-0" for n in range(LINKS_MOST + 1)])
    failed, taken = exporter.get_finished_spans()
    assert (failed.start_time, failed.end_time, failed.status.is_ok) == (1_000_000_000, 1_020_000_000, False)
    assert (taken.attributes["http.request.resend_count"], taken.status.is_ok) == (1, True)
    assert (len(taken.links), taken.attributes["relay.events"]) == (LINKS_MOST, LINKS_MOST + 1)
    assert taken.links[0].context.trace_id == failed.links[0].context.trace_id


def test_no_answer_is_no_status(exported):
    """An attempt that nobody answered is an error of that name, not a status 0."""
    made, exporter = exported
    made.record("production", 3, [Attempt(1000, 0, "timeout", 20)], ["5-0"])
    (span,) = exporter.get_finished_spans()
    assert (span.attributes["error.type"], "http.response.status_code" in span.attributes) == ("no_answer", False)


def test_a_collector_that_is_away_is_one_line(monkeypatch, caplog):
    """However many spans it does not take."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    made = open_spans(enabled=True)
    made.record("production", 3, [Attempt(1000, 200, "", 20)], ["5-0"])

    def said():
        return [record.getMessage() for record in caplog.records if record.name == spans.__name__]

    until(said, "it is said")
    made.record("production", 3, [Attempt(1000, 200, "", 20)], ["6-0"])
    close_spans()
    assert said() == ["spans_not_sent times=1"]


def test_off_there_is_nothing():
    """Not even an import (redis-py loads parts of the SDK where it is installed)."""
    assert open_spans(enabled=False) is None
    program = (
        "import sys, worker.delivery.workshop as w; assert w.open_spans(enabled=False) is None;"
        "assert not [m for m in sys.modules if m.startswith('opentelemetry.exporter')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_all_threads_have_the_same_spans(monkeypatch):
    """Else those of one exporter would be lost at the end; a worker's threads begin at the same time."""
    made, begin = [], threading.Barrier(8)
    find_spec = spans.find_spec

    def slow(name):
        elapse(0.01)  # time for the others to come in
        return find_spec(name)

    def open_at_once():
        begin.wait()
        made.append(open_spans(enabled=True))

    monkeypatch.setattr(spans, "find_spec", slow)
    threads = [threading.Thread(target=open_at_once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_spans()
    assert len(set(map(id, made))) == 1


def test_spans_arrive_at_a_collector(monkeypatch):
    """By OTLP over HTTP, where OpenTelemetry's own variable says."""
    with closing(Collector()) as collector:
        for name, value in collector.env.items():
            monkeypatch.setenv(name, value)
        made = open_spans(enabled=True)
        made.record("production", 3, [Attempt(1000, 200, "", 20)], ["5-0"])
        until(lambda: collector.requests, "the spans arrive")
        close_spans()
    resource = collector.requests[0].resource_spans[0]
    assert {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"] == "relay"
    assert resource.scope_spans[0].spans[0].links[0].attributes[0].value.string_value == "3/5-0"
