"""A Customer.io that accepts everything, at once or after so many milliseconds: the fastest sink Python gives.

python bench/sink.py PORT [AFTER_MS]
"""

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{}\n"

AFTER_S = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0


class Sink(asyncio.Protocol):
    """Reads headers and Content-Length, drops the body, answers."""

    def connection_made(self, transport):
        self.transport, self.buffer, self.left = transport, b"", 0

    def data_received(self, data):
        while data:
            if self.left:
                taken = min(self.left, len(data))
                self.left -= taken
                data = data[taken:]
                if not self.left:
                    self.answer()
                continue
            self.buffer += data
            head, found, data = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self.buffer = b""
            lower = head.lower()
            at = lower.find(b"content-length:")
            self.left = int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if not self.left:
                self.answer()

    def answer(self):
        if AFTER_S:
            asyncio.get_running_loop().call_later(AFTER_S, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def main(port):
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(int(sys.argv[1])))
