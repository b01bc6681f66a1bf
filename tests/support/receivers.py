"""Receivers of alerts: places on this machine that take what apprise posts, refuse it, or hang."""

import http.server
import json
import select
import socket
import threading
from collections.abc import Callable
from typing import Any


class Receiver:
    """Takes messages; refuses all of them while `status` is not 200, and those of the kinds in `refuses`.

    `asked` is every message that came, `got` those that were taken: kind, title and text each.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.got: list[tuple[str, str, str]] = []
        self.status = 200
        self.refuses: tuple[str, ...] = ()
        self.taken = threading.Event()  # set once a message was taken
        self._server = _serve(self._take)
        self.url = _url(self._server)

    def _take(self, request: http.server.BaseHTTPRequestHandler) -> int | None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        message = body["type"], body["title"], body["message"]
        self.asked.append(message)
        status = 500 if message[0] in self.refuses else self.status
        if status == 200:
            self.got.append(message)
            self.taken.set()
        return status

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class HangingReceiver:
    """Takes a message and says nothing until `answers` is set: then `status`, which refuses it or not.

    `asked` is set when a message came, and `gone` when its sender has given up.
    """

    def __init__(self, answers: threading.Event | None = None, status: int = 500) -> None:
        self.asked, self.gone = threading.Event(), threading.Event()
        self.answers = answers or threading.Event()
        self._status = status
        self._server = _serve(self._hang)
        self.url = _url(self._server) + "?rto=600&cto=600"

    def _hang(self, request: http.server.BaseHTTPRequestHandler) -> int | None:
        request.rfile.read(int(request.headers["Content-Length"]))
        self.asked.set()
        while not self.answers.wait(0.02):
            readable, _, _ = select.select([request.connection], [], [], 0)
            if readable and not request.connection.recv(1, socket.MSG_PEEK):
                self.gone.set()
                return None
        return self._status

    def close(self) -> None:
        """End it."""
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()


def _url(server: http.server.HTTPServer) -> str:
    return f"json://127.0.0.1:{server.server_port}/"


def _serve(answer: Callable[[http.server.BaseHTTPRequestHandler], int | None]) -> http.server.HTTPServer:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = answer(self)
            if status is not None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
