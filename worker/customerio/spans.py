"""Spans for OpenTelemetry: one a request to Customer.io, with a link to each event that it carried.

Off, it is None and costs nothing. A link's trace id is a digest of the event's place ("3/1795000000000-0"), which is
also its attribute `relay.event`: `relay trace` takes it. OpenTelemetry's own variables (OTEL_…) say where spans go.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

from worker.errors import OperatorError
from worker.process.eventlog import RareLog

# More links than that are cut by most collectors.
LINKS_MOST = 512

rare_log = RareLog(__name__, every_s=600)


class Tried(Protocol):
    """An attempt: when it began (Unix ms), the answer's status (0: none), how long it took."""

    # ruff: noqa: D102
    @property
    def at_ms(self) -> int: ...
    @property
    def status(self) -> int: ...
    @property
    def took_ms(self) -> int: ...


class Spans:
    """Makes the spans of this process; `tracer` is OpenTelemetry's."""

    def __init__(self, tracer: Any, close: Callable[[], object] = lambda: None) -> None:
        self._tracer = tracer
        self.close = close  # sends what is left

    def record(self, integration: str, shard: int, attempts: Sequence[Tried], entries: Sequence[str]) -> None:
        """A span for each attempt of a request, with its own beginning and end; `entries` are its events."""
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415 - an extra

        links = [_link(f"{shard}/{entry_id}") for entry_id in entries[:LINKS_MOST]]
        for n, attempt in enumerate(attempts, 1):
            span = self._tracer.start_span(
                "POST /api/v2/batch",
                kind=SpanKind.CLIENT,
                links=links,
                start_time=attempt.at_ms * 1_000_000,
                attributes={
                    "http.request.method": "POST",
                    **({"http.response.status_code": attempt.status} if attempt.status else {}),
                    "http.request.resend_count": n - 1,
                    "relay.integration": integration,
                    "relay.shard": shard,
                    "relay.events": len(entries),
                },
            )
            if attempt.status not in {200, 207}:
                span.set_attribute("error.type", str(attempt.status or "no_answer"))
                span.set_status(Status(StatusCode.ERROR))
            span.end((attempt.at_ms + attempt.took_ms) * 1_000_000)


def _link(place: str) -> Any:
    from opentelemetry.trace import Link, SpanContext, TraceFlags  # noqa: PLC0415 - an extra

    digest = hashlib.sha256(place.encode()).digest()
    trace_id, span_id = int.from_bytes(digest[:16]), int.from_bytes(digest[16:24])
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return Link(context, {"relay.event": place})


class _Reported:
    """An exporter whose failures are a line now and then: a collector that is away for a day fills no log."""

    def __init__(self, exporter: Any, success: object) -> None:
        self._exporter = exporter
        self._success = success
        self.shutdown, self.force_flush = exporter.shutdown, exporter.force_flush

    def export(self, spans: Sequence[object]) -> Any:
        result = self._exporter.export(spans)
        if result is not self._success:
            rare_log.warning("spans_not_sent")
        return result


def open_spans(*, enabled: bool) -> Spans | None:
    """The spans of this process; None: they are off.

    Raises:
        OperatorError: they are on, and the extra is not installed.
    """
    return _of_process(os.getpid()) if enabled else None


@cache
def _of_process(_pid: int) -> Spans:
    """One exporter a process: its thread does not survive a fork."""
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise OperatorError('RELAY_TRACES needs the extra otel: pip install "purchasely-customerio-relay[otel]"')
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME", "relay")
    limits = SpanLimits(max_links=LINKS_MOST)
    provider = TracerProvider(resource=Resource.create({"service.name": name}), span_limits=limits)
    exporter: Any = _Reported(OTLPSpanExporter(), SpanExportResult.SUCCESS)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
    return Spans(provider.get_tracer("relay"), provider.shutdown)
