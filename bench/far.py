"""A server further away: passes bytes to and fro, half of a round trip later each way.

python bench/far.py PORT SERVER_PORT ROUND_TRIP_MS
"""

import contextlib
import ctypes
import queue
import socket
import sys
import threading
import time

CHUNK = 1 << 18
# Linux wakes a sleeper up to 50 µs late, on each way, unless it is asked to be exact (prctl: PR_SET_TIMERSLACK).
_PR_SET_TIMERSLACK = 29


def carry(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    """One direction of one connection: a thread reads, this one writes what has travelled long enough."""
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)  # of this thread

    def read() -> None:
        try:
            while data := source.recv(CHUNK):
                under_way.put((time.monotonic() + delay_s, data))
        except OSError:
            pass
        under_way.put((0, b""))

    threading.Thread(target=read, daemon=True).start()
    while True:
        due, data = under_way.get()
        if not data:
            break
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        try:
            target.sendall(data)
        except OSError:
            break
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def main(port: int, server_port: int, round_trip_ms: float) -> None:
    """Serve until killed."""
    listener = socket.create_server(("127.0.0.1", port), backlog=512)
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", server_port))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for pair in ((client, server), (server, client)):
            threading.Thread(target=carry, args=(*pair, round_trip_ms / 2000), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
