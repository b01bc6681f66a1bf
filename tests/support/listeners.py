"""Listeners: HTTP servers of this machine that a test answers by itself."""

import http.server
import threading
from collections.abc import Callable
from typing import Any, Self

Request = http.server.BaseHTTPRequestHandler
Answer = Callable[[Request], int | None]


class Listener:
    """Answers each GET and POST with the status that `answer` returns, and no body; None: with nothing at all."""

    def __init__(self, answer: Answer) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = answer(self)
                if status is not None:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def do_GET(self) -> None:
                self.do_POST()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def body_of(request: Request) -> bytes:
    """What was posted."""
    return request.rfile.read(int(request.headers["Content-Length"]))
