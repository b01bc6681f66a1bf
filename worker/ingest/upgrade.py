"""Requests that ask for another protocol (`Upgrade: h2c`), as Java's client does with each: served as they are.

The parser takes what follows the head for that protocol, so that a POST would have no body. HTTP/1.1 lets a server
ignore what it was asked for (RFC 9110, section 7.8): another parser reads on, from where the head ended.
"""

from typing import Any

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class Rest:
    """What a parser finds from the body of one request on; its head was read by another parser."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._is_head = True
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """A later request begins."""
        if not self._is_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Of a later request."""
        if not self._is_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of a later request."""
        if not self._is_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """Of a later request, or of the one whose body comes now."""
        if self._is_head:
            self._is_head = False
        else:
            self._protocol.on_headers_complete()


def head_of_body(headers: list[tuple[bytes, bytes]]) -> bytes:
    """A head that announces the body that these headers announce, and asks for nothing else."""
    lines = b"".join(b"%b: %b\r\n" % (name, value) for name, value in headers if name in _FRAMING)
    return b"POST / HTTP/1.1\r\n%b\r\n" % lines
