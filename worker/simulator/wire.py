"""The last hop: reads each request whole, meets its fault, and sends the answer or breaks it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from worker.simulator.connection import (
    App,
    Receive,
    Scope,
    Send,
    call,
    drip_head,
    gone_within,
    read_body,
    reset,
    start,
    talk_nonsense,
    truncate,
)
from worker.simulator.defects import Overlaps
from worker.simulator.faults import SHAPES, Answer, Dice
from worker.simulator.guard import REFUSAL, may_look

# A read timeout never strikes while bytes drip: only a limit on the whole ends such an answer.
DRIP_BYTES = 60
TRACK_PATHS = ("/api/", "/unsubscribe/")


class Exchange:
    """One request as the resources see it: its body, and who it turned out to be about."""

    def __init__(self, overlaps: Overlaps) -> None:
        self.body = b""
        self._overlaps = overlaps
        self._ticket = overlaps.open()

    def touch(self, people: set[Any]) -> set[Any]:
        """Say who the request is about; those who are in another one at the same time."""
        return self._overlaps.touch(self._ticket, people)

    def close(self) -> None:
        """The request has its answer, or nobody waits for it any more."""
        self._overlaps.close(self._ticket)


class Wire:
    """An ASGI application around the one that plays Customer.io; `tally` counts what was sent."""

    def __init__(self, app: App, dice: Dice, clock: Callable[[], float]) -> None:
        self.tally: Counter[str] = Counter()
        self.overlaps = Overlaps()
        self._app = app
        self._dice = dice
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        # as sent: a %2F inside an identifier is no separator, and is decoded once, by who reads it
        scope["path"] = scope["raw_path"].decode("latin-1")
        if not scope["path"].startswith(TRACK_PATHS):
            if may_look(scope["headers"]):
                await self._app(scope, receive, send)
            else:
                await _answer(Answer(403, REFUSAL), send)
            return
        exchange = scope["simulator.exchange"] = Exchange(self.overlaps)
        try:
            body = await read_body(receive)
            if body is None:
                self.tally["caller gone"] += 1
                return
            exchange.body = body
            await self._meet(self._dice.draw(), scope, receive, send)
        finally:
            exchange.close()

    async def _meet(self, fault: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply, or not, and answer, or not, as the fault has it."""
        transport = scope["simulator.transport"]
        refusal = self._dice.refusal(fault, scope["path"], self._clock())
        if refusal is not None:
            await self._send(refusal, send)
            return
        if fault == "reset_before":
            self.tally["reset"] += 1
            await reset(transport, receive)
            return
        if fault == "slow_before" and await gone_within(receive, self._dice.faults.slow_s):
            self.tally["caller gone"] += 1
            return
        answer = await call(self._app, scope)
        if fault == "reset_after":
            self.tally["reset"] += 1
            await reset(transport, receive)
            return
        await self._spoil(fault, answer, transport, receive, send)

    async def _spoil(
        self,
        fault: str,
        answer: Answer,
        transport: asyncio.Transport,
        receive: Receive,
        send: Send,
    ) -> None:
        """Send the answer of an applied request, the way the fault has it."""
        if fault == "slow" and await gone_within(receive, self._dice.faults.slow_s):
            self.tally["caller gone"] += 1
            return
        match fault:
            case "truncated":
                self.tally["truncated"] += 1
                await truncate(answer, transport, receive, send)
            case "drip":
                await self._drip(answer, receive, send)
            case "drip_head":
                self.tally["caller gone"] += 1
                await drip_head(transport, receive, self._dice.faults.drip_s)
            case "nonsense":
                self.tally["nonsense"] += 1
                await talk_nonsense(transport, receive)
            case "error_after":
                status = self._dice.faults.error_after_status
                await self._send(self._dice.error(status, self._clock()), send)
            case "hangup":
                await self._send(answer, send)
                transport.close()
            case odd if odd in SHAPES:
                await self._send(Answer(*SHAPES[odd]), send)
            case _:
                await self._send(answer, send)

    async def _send(self, answer: Answer, send: Send) -> None:
        self.tally[str(answer.status)] += 1
        await _answer(answer, send)

    async def _drip(self, answer: Answer, receive: Receive, send: Send) -> None:
        """Send the body byte by byte, until the caller has had enough; it is made long for that."""
        answer = answer._replace(body=answer.body.ljust(DRIP_BYTES, b"\n"))
        await start(answer, send)
        for at in range(len(answer.body)):
            if await gone_within(receive, self._dice.faults.drip_s):
                self.tally["caller gone"] += 1
                return
            await send({"type": "http.response.body", "body": answer.body[at : at + 1], "more_body": True})
        self.tally[str(answer.status)] += 1
        await send({"type": "http.response.body", "body": b""})


async def _answer(answer: Answer, send: Send) -> None:
    await start(answer, send)
    await send({"type": "http.response.body", "body": answer.body})
