"""Spans for OpenTelemetry: one a request to Customer.io, with a link to each event that it carried.

Off, it is None and costs nothing. A link's trace id is a digest of the event's place ("3/1795000000000-0"), which is
also its attribute `relay.event`: `relay trace` takes it. OpenTelemetry's own variables (OTEL_…) say where spans go.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Final, Protocol

from worker.errors import OperatorError
from worker.process.eventlog import RareLog

# More links than that are cut by most collectors.
LINKS_MOST = 512

# What a process that ends waits for a collector.
_CLOSE_S: Final = 2.0

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


# One exporter a process: its thread does not survive a fork.
_open: dict[int, Spans] = {}
_opening = threading.Lock()


def open_spans(*, enabled: bool) -> Spans | None:
    """The spans of this process, the same for all of its threads; None: they are off.

    Raises:
        OperatorError: they are on, and the extra is not installed.
    """
    if not enabled:
        return None
    with _opening:
        made = _open.get(os.getpid())
        if made is None:
            made = _open[os.getpid()] = _make()
        return made


def close_spans() -> None:
    """Send what this process has not sent yet; what a collector does not take within two seconds is given up."""
    made = _open.pop(os.getpid(), None)
    if made is not None:
        closing = threading.Thread(target=made.close, name="spans", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


def _make() -> Spans:
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise OperatorError('RELAY_TRACES needs the extra otel: pip install "purchasely-customerio-relay[otel]"')
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult  # noqa: PLC0415

    name = os.environ.get("OTEL_SERVICE_NAME", "relay")
    limits = SpanLimits(max_links=LINKS_MOST)
    resource = Resource.create({"service.name": name})
    provider = TracerProvider(resource=resource, span_limits=limits, shutdown_on_exit=False)
    exporter: Any = _Reported(OTLPSpanExporter(), SpanExportResult.SUCCESS)
    delay_ms = float(os.environ.get("OTEL_BSP_SCHEDULE_DELAY") or 1000)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=delay_ms))
    return Spans(provider.get_tracer("relay"), provider.shutdown)
