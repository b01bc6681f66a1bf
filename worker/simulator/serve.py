"""Server of the simulator: in the foreground, or beside a test."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn

from worker.simulator.app import Options, Simulator
from worker.simulator.connection import Protocol


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def address_of(listener: socket.socket) -> str:
    """The base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(simulator: Simulator, listener: socket.socket) -> None:
    """Serve until a signal to stop."""
    with contextlib.suppress(KeyboardInterrupt):
        _server(simulator).run(sockets=[listener])


@contextlib.contextmanager
def running(options: Options, clock: Callable[[], float] = time.time) -> Iterator[tuple[str, Simulator]]:
    """Serve in a thread on a free port: yields the base URL and the simulator, to look into."""
    simulator = Simulator(options, clock)
    server = _server(simulator)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.002)
        try:
            yield address_of(listener), simulator
        finally:
            server.should_exit = True
            thread.join()


def _server(simulator: Simulator) -> uvicorn.Server:
    config = uvicorn.Config(
        simulator.asgi,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
