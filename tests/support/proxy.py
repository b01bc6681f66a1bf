"""Wires to Redis: one on which answers get lost, and one that answers by itself."""

import asyncio
import random
import re
import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

_CHUNK = 65_536


class LossyProxy:
    """Passes bytes to and fro between a port of its own and the server's; runs in a thread.

    `heard` is the beginning of what clients said: of gigabytes nothing more is kept.
    """

    def __init__(self, server_port: int, loss: float = 0.0, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.heard = b""
        self._server_port = server_port
        self._loss = loss
        self._dice = random.Random(server_port)
        self.lost = 0
        self.nonsense = b""  # what every answer is replaced by, each with its connection's end
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(10)

    def lose(self, share: float) -> None:
        """From now on lose this share of the answers, each with its connection."""
        self._loss = share

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._end.set)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._join, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        writers = [writer]
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._server_port)
            writers.append(back)
            pumps = [
                asyncio.create_task(self._pump(reader, back, lossy=False)),
                asyncio.create_task(self._pump(there, writer, lossy=True)),
            ]
            _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pending:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is away, or this is the end
        finally:
            for one in writers:
                with suppress(OSError):
                    one.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lossy: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not lossy and len(self.heard) < _CHUNK:
                    self.heard += data
                if lossy and self._loss and self._dice.random() < self._loss:
                    self.lost += 1
                    return
                if lossy and self.nonsense:
                    writer.write(self.nonsense)
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()


class Babbler:
    """Passes bytes to and fro until `nonsense` is set: then that is the reply to every command."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.nonsense = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while data := client.recv(_CHUNK):
                if not self.nonsense:
                    server.sendall(data)
                    continue
                commands = len(re.findall(rb"(?:^|\r\n)\*\d+(?=\r\n)", data))
                client.sendall(self.nonsense * commands)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                client.sendall(data)
