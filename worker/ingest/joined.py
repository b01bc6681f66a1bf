"""A transport that sends an answer's head with its body: uvicorn writes them apart, a packet and a call each."""

import asyncio

# How a final answer begins; 100 Continue is not final.
_FINAL = (b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5")


class Joined:
    """A transport for uvicorn's protocol, over that of a socket."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.abort = transport.abort
        self.unread_bytes = transport.get_write_buffer_size
        self.write_whole = transport.write
        """Send an answer that has its head and its body, when nothing of another one is kept."""

    def write(self, data: bytes) -> None:
        """Send, or keep a final answer's head until the next call of any kind."""
        if self._head:
            data = self._head + data
            self._head = b""
        elif data.startswith(_FINAL):
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send a head that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """Close once all is sent."""
        self.flush()
        self._transport.close()
