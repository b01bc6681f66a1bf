"""HTTP connections whose exchanges are bounded as a whole: one clock, one number of bytes."""

import io
import socket
import time
from http.client import HTTPResponse
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

# Status line, headers and interim (1xx) answers of one exchange. The Track API's take less than 1 kB.
HEAD_LIMIT_BYTES = 65_536
ANSWER_LIMIT_BYTES = 1_000_000

_CONNECT_S = 5.0  # most for one address: the host may have others


class AnswerTooLargeError(OSError):
    """The answer is larger than any of the Track API."""


class Bound:
    """What is left of one exchange: seconds for all of it, bytes for the head and then for the body."""

    def __init__(self) -> None:
        self._ends_s = 0.0
        self._left_bytes = 0

    def begin(self, longest_s: float) -> None:
        """Start the clock of an exchange, before its connection is opened."""
        self._ends_s = time.monotonic() + longest_s
        self._left_bytes = HEAD_LIMIT_BYTES

    def begin_body(self) -> None:
        """The head is read: from now on the bytes are those of the body."""
        self._left_bytes = ANSWER_LIMIT_BYTES

    def left_s(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: none.
        """
        left_s = self._ends_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the exchange took too long")
        return left_s

    def count(self, size_bytes: int) -> None:
        """Count bytes that were read.

        Raises:
            AnswerTooLargeError: more than may be.
        """
        self._left_bytes -= size_bytes
        if self._left_bytes < 0:
            raise AnswerTooLargeError("the answer is too large")


class _BoundedReader(io.RawIOBase):
    """A socket's bytes, each read within what is left: a socket's own timeout begins again with every byte."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, bound: Bound) -> None:
        self._sock = sock
        self._raw = raw
        self._bound = bound

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what is there."""
        self._sock.settimeout(self._bound.left_s())
        size_bytes: int | None = self._raw.readinto(buffer)
        self._bound.count(size_bytes or 0)
        return size_bytes

    def close(self) -> None:
        """Close the socket's file."""
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """An answer, read within the bound; interim answers (1xx) are skipped, not taken for the answer itself."""

    bound: Bound

    def __init__(self, sock: socket.socket, *rest: Any, **named: Any) -> None:
        super().__init__(sock, *rest, **named)
        self.fp: Any = io.BufferedReader(_BoundedReader(sock, self.fp.detach(), self.bound))

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        self.bound.begin_body()

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips 100 only: a 103 would be the answer, and the real one that of the next request
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200 or found[1] == 101:
                return found
            while self.fp.readline(HEAD_LIMIT_BYTES).strip():
                pass


class _Bounded(HTTPConnection):
    bound: Bound

    def _new_conn(self) -> socket.socket:
        """A connection to the first address that takes it. The look-up itself is bounded by the system's resolver."""
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as unknown:
            raise NameResolutionError(self.host, self, socket.gaierror(str(unknown))) from unknown
        fault: Exception = OSError("no address")
        for *_, address in found:
            try:
                longest_s = min(_CONNECT_S, self.bound.left_s())
                options = self.socket_options
                sock = create_connection((str(address[0]), self.port), longest_s, socket_options=options)
                sock.settimeout(self.bound.left_s())  # for the TLS handshake
            except OSError as one:
                fault = one
                continue
            return sock
        if isinstance(fault, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from fault
        raise NewConnectionError(self, "no connection") from fault

    def send(self, data: Any) -> None:
        """Send bytes; the time for all of them is bounded, over TLS too."""
        if self.sock is None:
            self.connect()
        view = memoryview(data)
        while view:
            self.sock.settimeout(self.bound.left_s())
            view = view[self.sock.send(view) :]


class BoundedAdapter(HTTPAdapter):
    """One kept-alive connection to one host without retries, whose exchanges are bounded; for one thread."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def get_connection_with_tls_context(self, *rest: Any, **named: Any) -> Any:
        """The pool of the one host: to find it among all takes a tenth of an exchange."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*rest, **named)
        return self._pool

    def close(self) -> None:
        """Close the connection; the next request opens one again."""
        self._pool = None
        super().close()

    def init_poolmanager(self, *rest: Any, **named: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*rest, **named)
        self.poolmanager.pool_classes_by_scheme = _pools(self._bound)


def _pools(shared: Bound) -> dict[str, type[HTTPConnectionPool]]:
    class Response(_Response):
        bound = shared

    class Plain(_Bounded):
        bound = shared
        response_class = Response

    class Secure(_Bounded, HTTPSConnection):
        bound = shared
        response_class = Response

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
