"""A caller's connection, in the ways that ASGI allows and in the ways it does not."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from worker.simulator.faults import Answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

# Bodies are read to their end, like Customer.io's, but past this size not kept: they are refused.
BODY_KEPT_BYTES = 4_000_000


class Protocol(HttpToolsProtocol):
    """uvicorn's, letting the application reach the connection: ASGI has no way to break it."""

    def on_message_begin(self) -> None:
        """Put the transport in the scope of the request that begins."""
        super().on_message_begin()
        cast("Scope", self.scope)["simulator.transport"] = self.transport


async def read_body(receive: Receive) -> bytes | None:
    """The whole body, or None when the caller went away before its end."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message["body"])
        if size <= BODY_KEPT_BYTES:
            chunks.append(message["body"])
        if not message["more_body"]:
            return b"".join(chunks) if size <= BODY_KEPT_BYTES else b" " * BODY_KEPT_BYTES


async def call(app: App, scope: Scope) -> Answer:
    """What the application answers to a request whose body was read already."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    headers = tuple(pair for pair in sent[0]["headers"] if pair[0] != b"content-length")
    return Answer(sent[0]["status"], body, headers)


async def start(answer: Answer, send: Send) -> None:
    """Send the status and the headers."""
    length = (b"content-length", b"%d" % len(answer.body))
    headers = [*answer.headers, length]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})


async def reset(transport: asyncio.Transport, receive: Receive) -> None:
    """Drop the connection with a TCP reset: no linger, no goodbye."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await until_gone(receive)


async def truncate(answer: Answer, transport: asyncio.Transport, receive: Receive, send: Send) -> None:
    """Promise a body, send half of it and close."""
    await start(answer, send)
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    transport.close()
    await until_gone(receive)


async def drip_head(transport: asyncio.Transport, receive: Receive, every_s: float) -> None:
    """Begin an answer and send its headers byte by byte: no header ends, nor does the head, until the caller goes."""
    transport.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not await gone_within(receive, every_s):
        transport.write(b"x")


async def talk_nonsense(transport: asyncio.Transport, receive: Receive) -> None:
    """Answer with what is no HTTP, and close."""
    transport.write(b"\x00\xff+OK\r\n{]\r\n\r\n")
    transport.close()
    await until_gone(receive)


async def gone_within(receive: Receive, seconds: float) -> bool:
    """Wait; True as soon as the caller has gone away."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until_gone(receive)
            return True
    return False


async def until_gone(receive: Receive) -> None:
    """Wait for the connection's end."""
    while (await receive())["type"] != "http.disconnect":
        pass
