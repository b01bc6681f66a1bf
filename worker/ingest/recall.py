"""Recall: compares each Redis with the door's memory before it is used, and appends again what Redis lost.

A server is another one when its run id or its replication id is; without the right to INFO, each new connection
is taken for one. Data that is gone from the same server (FLUSHALL, an evicted stream) shows in the eras, see
`era.lua`: a few lanes are compared each second, in turn.
"""

import hashlib
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from redis.exceptions import NoScriptError, ResponseError

from worker.errors import NotStoredError
from worker.ingest.arguments import names
from worker.ingest.memory import InLane, Kept, Memory
from worker.ingest.roundtrip import Command, encode, exchange, refusal
from worker.ingest.server import Server, read_server
from worker.process.eventlog import EventLog
from worker.store.keys import shard_key
from worker.store.scripts import script

log = EventLog(__name__)

_LANES_AT_ONCE = 32
_ITEMS_AT_ONCE = 500
_NAMES_AT_ONCE = 2000  # arguments that Lua can unpack are bounded
_BYTES_AT_ONCE = 1 << 20
_MOST_NAMES = 8
# Behind an era in which only a stream was lost, and ids say nothing of it.
_STREAM_ALONE = b" stream"
# The script's modes: ids went with the stream, or were left behind.
_ALL_LOST, _STREAM_LOST = 1, 2


class Appends(Protocol):
    """Who makes the commands of appends."""

    def append_again(self, kept: Kept, mode: int) -> Command:
        """The command that appends what is remembered; `mode` is the script's."""

    def at_home(self, items: Sequence[Kept]) -> list[Kept]:
        """What is to be appended here of these, by the lanes that are in force."""

    def id_tables(self, lane: InLane) -> list[str]:
        """The tables of the ids that are known."""

    def reaches(self, lane: InLane) -> bool:
        """Whether the keys of a lane are on this server."""


class Recall:
    """Looks at servers, and appends again what they lack. `appends` makes the commands for what is remembered.

    To be used by one caller at a time, with the connection that the next trip goes over.
    """

    def __init__(self, memory: Memory, appends: Appends, append_text: str) -> None:
        self._memory = memory
        self._appends = appends
        self._texts = (append_text, script("era"), script("known"))
        # Redis's name for a script
        _, self._era_sha, self._known_sha = (hashlib.sha1(text.encode()).hexdigest() for text in self._texts)  # noqa: S324
        self._lanes: list[InLane] = []
        self._turn = 0
        self._name: bytes | None = None
        self._process = b""
        self._names: tuple[bytes, ...] = ()  # of this process before: what it has is its own all the same
        self._unopened: list[InLane] = []
        self._is_over = False
        self._position = 0
        self._is_restoring = False
        self._lost = self._restored = 0

    def adopt(self, lanes: Iterable[InLane]) -> None:
        """Look after these lanes from now on."""
        self._lanes = list(lanes)
        self._turn = 0

    def begin_again(self) -> None:
        """Compare every lane at the next look, and append what is remembered: the server is another one for them."""
        self._begin(self._name)

    async def meet(self, connection: Any, server: Server) -> None:
        """Append again what the server behind a connection lacks, before anything else is sent there.

        Raises:
            NotStoredError: it answers nonsense.
            redis.RedisError: it answers no more.
        """
        if self._name is None or server.name != self._name or not server.name:
            self._recognize(server)
            self._begin(server.name, is_over=self._name is not None and not server.name)
        if self._is_restoring:
            await self._restore(connection)

    async def look(self, connection: Any) -> Server:
        """The same for a connection that was met before, and compare some lanes besides.

        Raises:
            NotStoredError: it stores nothing just now, or answers nonsense.
            redis.RedisError: it answers no more.
        """
        server = await read_server(connection)
        server.check()
        if (server.name and server.name != self._name) or self._memory.behind:
            self._recognize(server)
            self._begin(server.name)
        turn, self._turn = self._turn, self._turn + _LANES_AT_ONCE
        some = self._lanes[turn : turn + _LANES_AT_ONCE]
        if self._turn >= len(self._lanes):
            self._turn = 0
        if not self._is_restoring and await self._lacks_something(connection, some):
            self._begin(server.name)
        if self._is_restoring:
            await self._restore(connection)
        self._memory.expire()
        return server

    async def _lacks_something(self, connection: Any, lanes: Sequence[InLane]) -> bool:
        """Whether one of these lanes lacks something, or may; also when the scripts are gone, which a restore loads."""
        try:
            return await self._compare(connection, lanes)
        except NoScriptError:
            return True

    def _recognize(self, server: Server) -> None:
        """Note which names this server had: a replica that came to it changes its name, and nothing that it has."""
        if not server.process or server.process != self._process:
            self._names = ()
        elif self._name and server.name != self._name:
            self._names = (self._name, *self._names)[:_MOST_NAMES]
        self._process = server.process

    def _begin(self, name: bytes | None, *, is_over: bool = False) -> None:
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
        compared = 0
        while items := self._memory.items(self._position, _ITEMS_AT_ONCE):
            await self._append(connection, self._appends.at_home(await self._missing(connection, items)))
            compared += sum(item.events for item in items)
            self._position = max(self._position, self._memory.first) + len(items)
        self._is_restoring = False
        self._memory.behind.clear()
        if self._lost or self._restored:
            log.warning("redis_lost_writes", lost=self._lost, restored=self._restored, compared=compared)
        elif compared:
            log.info("redis_changed", compared=compared)
        self._lost = self._restored = 0

    async def _missing(self, connection: Any, items: Sequence[Kept]) -> list[Kept]:
        """The items of which an event is not known, or may be known wrongly."""
        commands, asked = [], []
        for lane, mine in _by_lane(items).items():
            tables = self._appends.id_tables(lane)
            for some in (mine[at : at + _NAMES_AT_ONCE] for at in range(0, len(mine), _NAMES_AT_ONCE)):
                commands.append(_command("EVALSHA", self._known_sha, len(tables), *tables, *(name for name, _ in some)))
                asked.append((lane, some))
        found = {index for index, item in enumerate(items) if self._mode(item.lane) == _STREAM_LOST}
        for (_, some), reply in zip(asked, await exchange(connection, commands), strict=True):
            if _usable(reply):
                found |= {index for (_, index), mark in zip(some, reply.decode(), strict=True) if mark == "1"}
        return [items[index] for index in sorted(found)]

    async def _append(self, connection: Any, items: Sequence[Kept]) -> None:
        left, missed = list(items), Counter[InLane]()
        while left:
            size, count = 0, 0
            while count < len(left) and (not count or size + len(left[count].pieces) < _BYTES_AT_ONCE):
                size, count = size + len(left[count].pieces), count + 1
            some, left = left[:count], left[count:]
            commands = [self._appends.append_again(item, self._mode(item.lane)) for item in some]
            for item, reply in zip(some, await exchange(connection, commands), strict=True):
                if _usable(reply):
                    missed[item.origin or item.lane] += reply.count(b"1", 0, item.events)
                    self._memory.note_height(item.lane, read_height(reply), 0, 0)
        self._restored += missed.total()
        await self._count(connection, missed)

    async def _count(self, connection: Any, missed: Counter[InLane]) -> None:
        """Note how much came back of what each lane was answered for: so much it lost, see `era.lua`."""
        commands = [
            _command("HINCRBY", shard_key(lane[1], "intake", lane[0]), "returned", events)
            for lane, events in missed.items()
            if events and self._appends.reaches(lane)
        ]
        for reply in await exchange(connection, commands) if commands else ():
            if isinstance(reply, ResponseError):
                _usable(reply)

    def _mode(self, lane: InLane) -> int:
        return _STREAM_LOST if self._memory.eras.get(lane, b"").endswith(_STREAM_ALONE) else _ALL_LOST

    async def _compare(self, connection: Any, lanes: Sequence[InLane]) -> bool:
        """Compare lanes with the server; whether one lacks something, or may."""
        known, heights, name = self._memory.eras, self._memory.heights, secrets.token_hex(6)
        over = "1" if self._is_over else "0"
        commands = []
        for source, shard in lanes:
            keys = [shard_key(shard, kind, source) for kind in ("era", "intake", "events")]
            era, height = known.get((source, shard), b""), heights.get((source, shard), 0)
            behind = self._memory.behind.get((source, shard), "")
            left = b" ".join(self._memory.left.get((source, shard), ())).decode()
            names_before = b" ".join(self._names).decode()
            arguments = ((self._name or b"").decode(), name, era.decode(), height, over, behind, left, names_before)
            commands.append(_command("EVALSHA", self._era_sha, len(keys), *keys, *arguments))
        is_behind = False
        for lane, reply in zip(lanes, await exchange(connection, commands), strict=True):
            if isinstance(reply, ResponseError):
                _usable(reply)
                continue  # this lane is broken: its own appends say so
            if type(reply) is not list or len(reply) != 4:
                await connection.disconnect()
                raise NotStoredError("unexpected_reply")
            era, height, lost, base = reply
            former = known.get(lane, b"")
            is_behind |= era != former and (former != b"" or base < heights.get(lane, 0))
            self._memory.enter(lane, era, height)
            self._lost += lost
        return is_behind


def read_height(reply: bytes) -> int:
    """The height of the stream, from an append's answer."""
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


def _by_lane(items: Sequence[Kept]) -> dict[InLane, list[tuple[bytes, int]]]:
    """The events of each lane by their names, each with the position of its item."""
    found: dict[InLane, list[tuple[bytes, int]]] = {}
    for index, item in enumerate(items):
        found.setdefault(item.lane, []).extend((name, index) for name in names(item.pieces, item.events))
    return found


def _command(*arguments: str | int | bytes) -> Command:
    return [b"*%d\r\n" % len(arguments), encode(arguments)]
