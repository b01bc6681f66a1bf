"""Metrics on a port of their own, so that what faces the senders need not serve them."""

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from worker.errors import OperatorError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE_S = 10.0


class MetricsPort:
    """Serves `GET /metrics` from a thread; `read` makes the exposition, `is_allowed` looks at the Authorization header.

    Raises:
        OperatorError: the port is taken.
    """

    def __init__(
        self, host: str, port: int, read: Callable[[], bytes], is_allowed: Callable[[bytes | None], bool]
    ) -> None:
        try:
            self._server = _Server((host, port), read, is_allowed)
        except OSError as fault:
            raise OperatorError(
                f"RELAY_METRICS_PORT: cannot listen on {host}:{port} ({fault.strerror}); choose another port"
            ) from None
        self.port: int = self._server.server_address[1]

    def start(self) -> None:
        """Serve from now on."""
        threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], read: Callable[[], bytes], is_allowed: Callable[[bytes | None], bool]
    ) -> None:
        self.read, self.is_allowed = read, is_allowed
        self.reading = threading.Lock()  # one at a time
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)

    def handle_error(self, *_: Any) -> None:
        """A scraper that hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _PATIENCE_S
    server_version = "relay"
    sys_version = ""

    def do_GET(self) -> None:
        header = self.headers.get("Authorization")
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
        elif not self.server.is_allowed(header.encode("latin-1") if header else None):
            self.send_error(401)
        else:
            self._serve()

    def _serve(self) -> None:
        if not self.server.reading.acquire(timeout=_PATIENCE_S):
            self.send_error(503)
            return
        try:
            body = self.server.read()
        except Exception:  # noqa: BLE001 - Redis is away, or hangs
            self.send_error(503)
            return
        finally:
            self.server.reading.release()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Scrapes are no news."""
