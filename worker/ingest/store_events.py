"""One round trip of appends: the script's calls, lane by lane, and their replies."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio
from redis import exceptions
from redis.exceptions import NoScriptError, RedisError

from worker.errors import NotStoredError
from worker.ingest.arguments import PIECES
from worker.ingest.calls import Calls
from worker.ingest.confirmation import Confirmation
from worker.ingest.memory import InLane, Kept, Memory
from worker.ingest.recall import Recall
from worker.ingest.roundtrip import Command, Line, refusal, round_trip
from worker.ingest.server import Server, read_server
from worker.ingest.spreading import ShardOf, spread_kept
from worker.store.layout import Layout

_LOOK_S = 1.0
# Whoever answers so has lost its primacy, or its replicas: the next trip asks again who has it.
_DEMOTED = frozenset({"readonly", "replicas", "loading", "cluster"})


class Storing:
    """Stores events, each once. `prepare` is awaited before the first trip, and again until it succeeds."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        integrations_of: dict[str, tuple[str, ...]],
        prepare: Callable[[], Awaitable[None]] | None,
        *,
        wake_ms: int,
        dedup_window_s: int,
        max_memory_percent: float,
        layout: Layout,
        in_cluster: bool,
        give: Callable[[Sequence[Kept]], None] = lambda _: None,
        memory: Memory,
        confirmation: Confirmation | None = None,
    ) -> None:
        self._confirmation = confirmation
        self._memory = memory
        self._calls = Calls(wake_ms=wake_ms, dedup_window_s=dedup_window_s, layout=layout, in_cluster=in_cluster)
        self._in_cluster = in_cluster
        self._shard_of: ShardOf | None = None
        self._resized_s = 0.0
        self._give = give
        self._shards: Sequence[int] = range(layout.shards)
        self._prepare = prepare
        self._max_memory_percent = max_memory_percent
        self._recall = Recall(memory, self, self._calls.text)
        self._recalling = asyncio.Lock()  # it serves one caller at a time, and trips are several
        self._line = Line(client, self._meet)
        self._looked_s = -_LOOK_S
        self._memory_full = False
        self._on_the_way: Counter[InLane] = Counter()  # events of trips that are under way
        self.adopt(integrations_of)

    def adopt(self, integrations_of: dict[str, tuple[str, ...]], layout: Layout | None = None) -> None:
        """Check the wake and hold marks of these integrations from the next trip on, by this layout or as before."""
        self._integrations_of = integrations_of
        self._calls.adopt(integrations_of, layout)
        self._recall.adopt((source, shard) for source in integrations_of for shard in self._shards)

    def serve(self, shards: Sequence[int]) -> None:
        """Store what is of these shards from now on; the server may not have had all of them before."""
        self._shards = shards
        self.adopt(self._integrations_of)
        self._recall.begin_again()
        self._looked_s = -_LOOK_S  # at once: nothing of them may be stored before

    async def resize(self, layout: Layout, shard_of: ShardOf) -> None:
        """Store by another layout from the next trip on, and what is to be appended again too; no trip is under way."""
        async with self._recalling:
            self._shard_of, self._resized_s = shard_of, time.monotonic()
            self._shards = range(layout.shards)
            self.adopt(self._integrations_of, layout)

    def at_home(self, items: Sequence[Kept]) -> list[Kept]:
        """What is remembered by the lanes of now, without what is of other servers: those are given it."""
        found: list[Kept] = []
        for item in items:
            found += spread_kept(item, self._shard_of) if item.at_s < self._resized_s and self._shard_of else [item]
        mine, others = set(self._shards), [item for item in found if item.lane[1] not in self._shards]
        if others:
            self._give(others)
        return [item for item in found if item.lane[1] in mine]

    def take_over(self, items: Sequence[Kept]) -> None:
        """Append, from the next look on, what another server of the cluster has lost of people who are here now."""
        self._memory.receive(items)
        self._recall.begin_again()
        self._looked_s = -_LOOK_S

    async def store(self, lanes: Sequence[tuple[InLane, list[bytes]]]) -> list[Any]:
        """The script's answer for each lane's encoded events, in order, errors among them as values: see `append.lua`.

        An answer of any other form is an error: it does not prove that the events are stored.

        Raises:
            NotStoredError: nothing was tried.
            redis.RedisError: no answer; the events may be stored.
            OSError: likewise.
        """
        if self._prepare is not None:
            await self._prepare()
            self._prepare = None
        await self.look()
        if self._memory_full:
            raise NotStoredError("memory")
        commands = [self._calls.append(lane, pieces) for lane, pieces in lanes]
        heights = [self._memory.heights.get(lane, 0) for lane, _ in lanes]
        for lane, pieces in lanes:
            self._on_the_way[lane] += len(pieces) // PIECES
        try:
            return await self._ask(lanes, commands, heights)
        finally:
            for lane, pieces in lanes:
                self._on_the_way[lane] -= len(pieces) // PIECES

    async def _ask(
        self, lanes: Sequence[tuple[InLane, list[bytes]]], commands: list[Command], heights: list[int]
    ) -> list[Any]:
        replies, is_confirmed = await self._send(commands)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            again, is_confirmed = await self._send([self._calls.load(), *(commands[index] for index in missing)])
            for index, reply in zip(missing, again[1:], strict=True):
                replies[index] = reply
        is_clean = True
        for index, (lane, pieces) in enumerate(lanes):
            replies[index], is_kept = self._note_reply(lane, pieces, replies[index], heights[index])
            is_clean &= is_kept
            if not is_confirmed and type(replies[index]) is bytes:
                replies[index] = NotStoredError("replicas")
        if not is_clean:
            await self._line.hang_up()
        return replies

    async def _send(self, commands: list[Command]) -> tuple[list[Any], bool]:
        """The replies of one round trip, and whether replicas have confirmed it, where they are waited for."""
        if self._confirmation is None:
            return await round_trip(self._line, commands), True
        replies = await round_trip(self._line, [*commands, *self._confirmation.commands])
        return replies[: len(commands)], self._confirmation.is_given(replies[-1])

    def _note_reply(self, lane: InLane, pieces: list[bytes], reply: Any, height: int) -> tuple[Any, bool]:
        """Remember what is stored; make an error of what proves nothing; whether to stay with these connections.

        They are left when what comes next on one may belong to another command, or their server lost its primacy.
        """
        events = len(pieces) // PIECES
        if type(reply) is bytes:
            found = self._calls.answer_form(lane, events).fullmatch(reply)
            if found is None:
                return NotStoredError("unexpected_reply"), False
            if events:
                new, others = reply.count(b"1", 0, events), self._on_the_way[lane] - events
                self._memory.note_height(lane, int(found[1]), new, height, others)
                self._memory.keep(lane, events, pieces)
            return reply, True
        if isinstance(reply, Exception):
            return reply, refusal(reply) not in _DEMOTED
        return NotStoredError("unexpected_reply"), False

    async def probe(self) -> None:
        """Do all that storing does, without an event.

        Raises:
            NotStoredError: an event would not be stored either.
        """
        try:
            for reply in await self.store([((source, 0), []) for source in self._integrations_of]):
                if isinstance(reply, Exception):
                    raise reply
        except (RedisError, OSError) as fault:
            raise NotStoredError(refusal(fault)) from None

    async def look(self) -> None:
        """Look at the server, once a second: how full it is, which one it is, whether it has all that it took.

        Stops short of maxmemory, so that wake-ups and settles keep room and a full server can drain.

        Raises:
            NotStoredError: it stores nothing just now.
            redis.RedisError: it does not answer.
        """
        if self._prepare is not None or not self._is_look_due():
            return
        connection = await self._line.take()
        try:
            async with self._recalling:
                if self._is_look_due():  # it was not met just now, nor looked at meanwhile
                    server = await self._recall.look(connection)
                    self._line.note_server(connection, server.name)
                    self._note(server)
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            await self._line.renew(connection)
        finally:
            self._line.give(connection)

    async def follow(self) -> None:
        """Leave a server that the Sentinels no longer name, before it knows it itself.

        Raises:
            redis.RedisError: they name none, or do not answer.
        """
        await self._line.follow()

    def _is_look_due(self) -> bool:
        return bool(self._memory.behind) or time.monotonic() - self._looked_s >= _LOOK_S

    async def _meet(self, connection: Any) -> None:
        async with self._recalling:
            server = await read_server(connection)
            server.check()
            self._line.note_server(connection, server.name)  # first of all: what others answer counts no more
            await self._recall.meet(connection, server)
            self._note(server)

    def _note(self, server: Server) -> None:
        self._looked_s = time.monotonic()
        self._memory_full = server.is_over(self._max_memory_percent)

    def append_again(self, kept: Kept, mode: int) -> Command:
        """The script's call for what is remembered."""
        return self._calls.append_again(kept, mode)

    def id_tables(self, lane: InLane) -> list[str]:
        """The tables of the ids that are known just now."""
        return self._calls.id_tables(lane)

    def reaches(self, lane: InLane) -> bool:
        """Whether the keys of a lane are on this server."""
        return not self._in_cluster or lane[1] in self._shards
