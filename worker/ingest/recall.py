"""Recall: compares each Redis with the door's memory before it is used, and appends again what Redis lost.

A server is another one when its run id or its replication id is; without the right to INFO, each new connection
is taken for one. Data that is gone from the same server (FLUSHALL, an evicted stream) shows in the eras, see
`era.lua`: a few lanes are compared each second, in turn.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from worker.errors import NotStoredError
from worker.ingest.memory import InLane, Memory
from worker.ingest.roundtrip import Command, encode, exchange, refusal
from worker.ingest.server import Server, read_server
from worker.process.eventlog import EventLog
from worker.store.keys import shard_key
from worker.store.stream import script

log = EventLog(__name__)

_LANES_AT_ONCE = 32
_BYTES_AT_ONCE = 1 << 20
# Behind an era in which only a stream was lost, and ids say nothing of it.
_STREAM_ALONE = b" stream"

Appending = Callable[[InLane, bytes, int, int], Command]


class Recall:
    """Looks at servers, and appends again what they lack. `appending` makes the command for what is remembered.

    To be used by one caller at a time, with the connection that the next trip goes over.
    """

    def __init__(self, memory: Memory, appending: Appending, append_text: str) -> None:
        self._memory = memory
        self._appending = appending
        self._texts = (append_text, script("era"))
        self._era_sha = hashlib.sha1(self._texts[1].encode()).hexdigest()  # noqa: S324 - Redis's name for it
        self._lanes: list[InLane] = []
        self._turn = 0
        self._name: bytes | None = None
        self._unopened: list[InLane] = []
        self._is_over = False
        self._position = 0
        self._is_restoring = False
        self._lost = self._restored = 0

    def adopt(self, lanes: Iterable[InLane]) -> None:
        """Look after these lanes from now on."""
        self._lanes = list(lanes)
        self._turn = 0

    async def meet(self, connection: Any) -> Server:
        """Look at the server behind a connection, and append again what it lacks, before anything else is sent there.

        Raises:
            NotStoredError: it stores nothing just now, or answers nonsense.
            redis.RedisError: it answers no more.
        """
        server = await read_server(connection)
        server.check()
        if self._name is None or server.name != self._name or not server.name:
            self._begin(server.name, is_over=self._name is not None and not server.name)
        if self._is_restoring:
            await self._restore(connection)
        return server

    async def look(self, connection: Any) -> Server:
        """The same for a connection that was met before, and compare some lanes besides.

        Raises:
            NotStoredError: it stores nothing just now, or answers nonsense.
            redis.RedisError: it answers no more.
        """
        server = await read_server(connection)
        server.check()
        if (server.name and server.name != self._name) or self._memory.behind:
            self._begin(server.name)
        turn, self._turn = self._turn, self._turn + _LANES_AT_ONCE
        some = self._lanes[turn : turn + _LANES_AT_ONCE]
        if self._turn >= len(self._lanes):
            self._turn = 0
        if not self._is_restoring and await self._compare(connection, some):
            self._begin(server.name)
        if self._is_restoring:
            await self._restore(connection)
        self._memory.expire()
        return server

    def _begin(self, name: bytes, *, is_over: bool = False) -> None:
        self._name = name
        self._is_over = is_over
        self._unopened = list(self._lanes)
        self._position = self._memory.first
        self._is_restoring = True

    async def _restore(self, connection: Any) -> None:
        """Compare every lane and append what is remembered; goes on where it was broken off."""
        await exchange(connection, [_command("SCRIPT", "LOAD", text) for text in self._texts])
        while self._unopened:
            await self._compare(connection, self._unopened[:_LANES_AT_ONCE])
            del self._unopened[:_LANES_AT_ONCE]
        again = 0
        while items := self._memory.items(self._position, _BYTES_AT_ONCE):
            replies = await exchange(
                connection, [self._appending(one.lane, one.pieces, one.events, self._mode(one.lane)) for one in items]
            )
            for item, reply in zip(items, replies, strict=True):
                if _usable(reply):
                    new = reply.count(b"1", 0, item.events)
                    self._restored += new
                    again += item.events
                    self._memory.note_height(item.lane, read_height(reply), new, 0)
            self._position = max(self._position, self._memory.first) + len(items)
        self._is_restoring = False
        self._memory.behind.clear()
        if self._lost or self._restored:
            log.warning("redis_lost_writes", lost=self._lost, restored=self._restored, remembered=again)
        elif again:
            log.info("redis_changed", remembered=again)
        self._lost = self._restored = 0

    def _mode(self, lane: InLane) -> int:
        return 2 if self._memory.eras.get(lane, b"").endswith(_STREAM_ALONE) else 1

    async def _compare(self, connection: Any, lanes: Sequence[InLane]) -> bool:
        """Compare lanes with the server; whether one lacks something, or may."""
        known, heights, name = self._memory.eras, self._memory.heights, secrets.token_hex(6)
        over = "1" if self._is_over else "0"
        commands = []
        for source, shard in lanes:
            keys = [shard_key(shard, kind, source) for kind in ("era", "intake", "events")]
            era, height = known.get((source, shard), b""), heights.get((source, shard), 0)
            behind = self._memory.behind.get((source, shard), "")
            arguments = ((self._name or b"").decode(), name, era.decode(), height, over, behind)
            commands.append(_command("EVALSHA", self._era_sha, len(keys), *keys, *arguments))
        is_behind = False
        for lane, reply in zip(lanes, await exchange(connection, commands), strict=True):
            if isinstance(reply, ResponseError):
                _usable(reply)
                continue  # this lane is broken: its own appends say so
            if type(reply) is not list or len(reply) != 3:
                await connection.disconnect()
                raise NotStoredError("unexpected_reply")
            era, height, lost = reply
            former = known.get(lane, b"")
            is_behind |= era != former and (former != b"" or height < heights.get(lane, 0))
            self._memory.behind.pop(lane, None)
            known[lane], heights[lane] = era, height
            self._lost += lost
        return is_behind


def read_height(reply: bytes) -> int:
    """How many events the stream ever took, from an append's answer."""
    return int(reply.split(b" ", 2)[1])


def _usable(reply: Any) -> bool:
    """Whether a lane was appended to; one that is broken by itself must not keep the others from it.

    Raises:
        redis.ResponseError: the server as a whole refuses.
    """
    if isinstance(reply, ResponseError):
        if isinstance(reply, NoScriptError) or refusal(reply) != "refused":
            raise reply
        return False
    if type(reply) is not bytes:
        raise NotStoredError("unexpected_reply")
    return True


def _command(*arguments: str | int) -> Command:
    return [b"*%d\r\n" % len(arguments), encode(arguments)]
