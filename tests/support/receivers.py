"""Receivers of alerts: places on this machine that take what apprise posts, refuse it, or hang."""

import json
import select
import socket
import threading

from tests.support.listeners import Listener, Request, body_of


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
        self._listener = Listener(self._take)
        self.url = _url(self._listener)

    def _take(self, request: Request) -> int | None:
        body = json.loads(body_of(request))
        message = body["type"], body["title"], body["message"]
        self.asked.append(message)
        status = 500 if message[0] in self.refuses else self.status
        if status == 200:
            self.got.append(message)
            self.taken.set()
        return status

    def close(self) -> None:
        """End it."""
        self._listener.close()


class HangingReceiver:
    """Takes a message and says nothing until `answers` is set: then `status`, which refuses it or not.

    `asked` is set when a message came, and `gone` when its sender has given up.
    """

    def __init__(self, answers: threading.Event | None = None, status: int = 500) -> None:
        self.asked, self.gone = threading.Event(), threading.Event()
        self.answers = answers or threading.Event()
        self._status = status
        self._listener = Listener(self._hang)
        self.url = _url(self._listener)

    def _hang(self, request: Request) -> int | None:
        body_of(request)
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
        self._listener.close()


def _url(listener: Listener) -> str:
    return f"json://{listener.address}/"
