"""A collector of OpenTelemetry on this machine: takes spans by OTLP over HTTP, or hangs."""

import threading
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.listeners import Listener, Request, body_of


class Collector:
    """Keeps what is sent to it; while `hangs` it takes a request and answers nothing."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.asked = threading.Event()
        self.hangs = False
        self._ended = threading.Event()
        self._listener = Listener(self._take)
        self.env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self._listener.address}",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        }

    def _take(self, request: Request) -> int | None:
        body = body_of(request)
        self.asked.set()
        if self.hangs:
            self._ended.wait()
            return None
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return 200 if request.path == "/v1/traces" else 404

    @property
    def spans(self) -> list[Any]:
        """Every span that came."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._listener.close()
