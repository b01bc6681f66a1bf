"""Appends to the streams from the web door: everything that waits goes out in one round trip."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from worker.errors import NotStoredError
from worker.ingest.arguments import PIECES, Incoming
from worker.ingest.confirmation import Confirmation
from worker.ingest.departure import MOST_TRIPS, Departure
from worker.ingest.memory import InLane, Kept, Memory
from worker.ingest.moving import FindLayout, Move
from worker.ingest.nodes import Nodes
from worker.ingest.posts import Parts, Post, Tell, Trip, pieces_of
from worker.ingest.queued import Queue
from worker.ingest.spreading import ShardOf
from worker.ingest.store_events import Storing
from worker.store.async_cluster import AsyncCluster
from worker.store.layout import Layout

__all__ = ["Appender", "Incoming"]

_YES = ord("1")


class Appender:
    """Coalesces appends: while a round trip is under way, what comes in is gathered for the next.

    It leaves when the last has returned, or, where Redis is far away or enough waits, right behind it. What a sender
    posts in order is stored in order: the events that one request has for a lane go in one script, or one after the
    other. `wake` is called with (integration, shard) for each idle lane that got something, and must not block.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis | AsyncCluster,
        integrations_of: dict[str, tuple[str, ...]],
        prepare: Callable[[], Awaitable[None]],
        wake: Callable[[str, int], None],
        *,
        wake_ms: int,
        dedup_window_s: int,
        timeout_s: float,
        max_memory_percent: float,
        shards: int,
        memory: Memory,
        confirmation: Confirmation | None = None,
        find_layout: FindLayout | None = None,
        shard_of: ShardOf = lambda _source, _raw: 0,
    ) -> None:
        # a request waits for the trip under way and for its own
        self._trip_s = timeout_s / 2
        self._queue = Queue(self._trip_s)
        self._move = Move(Layout(shards), self._queue, find_layout, shard_of, self._resize, self._leave, self._trip_s)
        self._travellers: set[asyncio.Task[None] | None] = set()
        self._departure = Departure(self._leave, 1 if isinstance(client, AsyncCluster) else MOST_TRIPS)

        def make(
            server: redis.asyncio.Redis, kept: Memory, first: Callable[[], Awaitable[None]] | None = None
        ) -> Storing:
            return Storing(
                server,
                self._integrations_of,
                first,
                wake_ms=wake_ms,
                dedup_window_s=dedup_window_s,
                max_memory_percent=max_memory_percent,
                layout=self.layout,
                in_cluster=isinstance(client, AsyncCluster),
                give=self._give,
                memory=kept,
                confirmation=confirmation,
            )

        self._integrations_of = integrations_of
        self._storing: Storing | Nodes
        if isinstance(client, AsyncCluster):
            self._storing = Nodes(client, make, memory, prepare, integrations_of, shards)
        else:
            self._storing = make(client, memory, prepare)
        self._next_integrations_of: dict[str, tuple[str, ...]] | None = None
        self._wake = wake

    @property
    def layout(self) -> Layout:
        """By which events are stored."""
        return self._move.layout

    async def append(self, events: Sequence[Incoming]) -> int:
        """Store events; the number of them that were new.

        Raises:
            NotStoredError: at least one of them may not be stored; sending all again is safe.
        """
        if not events:
            return 0
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def tell(result: int | NotStoredError) -> None:
            if done.done():
                return
            if isinstance(result, NotStoredError):
                done.set_exception(result)
            else:
                done.set_result(result)

        done.add_done_callback(self.post(events, tell).end)
        return await done

    def post(self, events: Sequence[Incoming], tell: Tell) -> Post:
        """Let events go with the next trip; `tell` hears what `append` says. At least one must be there."""
        post = Post(tell, asyncio.get_running_loop().time(), len(events))
        self._queue.add(post, events)
        self._departure.ask(len(self._travellers))
        return post

    def _leave(self) -> None:
        if trip := self._board():
            self._travellers.add(asyncio.get_running_loop().create_task(self._travel(trip)))

    async def watch(self, every_s: float = 1.0) -> None:
        """Look at the server now and then though nothing comes in: what it lost is found, and appended again."""
        while True:
            await asyncio.sleep(every_s)
            with suppress(RedisError, OSError):
                async with asyncio.timeout(every_s):
                    await self._storing.follow()
            if not self._travellers:
                await self._look()

    async def _resize(self, layout: Layout, shard_of: ShardOf) -> None:
        await self._storing.resize(layout, shard_of)

    def _give(self, items: Sequence[Kept]) -> None:
        if isinstance(self._storing, Nodes):
            self._storing.give(items)

    def adopt(self, integrations_of: dict[str, tuple[str, ...]]) -> None:
        """Wake these integrations from the next trip on; what is under way is answered for those it was sent for."""
        self._next_integrations_of = integrations_of

    async def probe(self) -> None:
        """Do all that an append does, without an event.

        Raises:
            NotStoredError: an append would not be stored either.
            TimeoutError: Redis is silent.
        """
        async with asyncio.timeout(self._trip_s):
            try:
                await self._storing.probe()
            except NotStoredError as fault:
                if not self._move.ask(fault):
                    raise
                await self._move.done()
                await self._storing.probe()

    async def _travel(self, trip: Trip | None) -> None:
        """Trip after trip, while anything waits: the next one leaves before the last one is reported."""
        try:
            while trip:
                await self._carry(*trip)
                trip = self._board()
        finally:
            self._travellers.discard(asyncio.current_task())

    async def _carry(self, trip: list[tuple[InLane, Parts]], torn: set[InLane]) -> None:
        loop, done = asyncio.get_running_loop(), deque[Post]()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self._trip_s):
                replies = await self._storing.store([(lane, pieces_of(parts)) for lane, parts in trip])
            self._departure.note(loop.time() - began_s)
            for (lane, parts), reply in zip(trip, replies, strict=True):
                self._answer(lane, parts, reply, done)
        except BaseException as fault:
            # whatever failed, every request needs an answer
            for lane, parts in trip:
                self._refuse(lane, parts, fault)
            if not isinstance(fault, Exception):
                raise
        finally:
            self._queue.land(torn)
            loop.call_soon(_tell, done)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(self._trip_s):
                await self._storing.look()
        except (NotStoredError, RedisError, OSError) as fault:
            self._move.ask(fault)  # whatever else it is, the next trip says so to who has something to store

    def _board(self) -> Trip | None:
        """What the next trip carries; None: nothing, or something else has to be done first, and boards afterwards."""
        self._departure.begin()
        if self._move.is_due:
            self._move.begin()
            return None
        if self._next_integrations_of is not None:
            if self._queue.under_way:
                return None  # the last of them boards again
            self._integrations_of, self._next_integrations_of = self._next_integrations_of, None
            self._storing.adopt(self._integrations_of)
        return self._queue.board()

    def _answer(self, lane: InLane, parts: Parts, reply: Any, done: deque[Post]) -> None:
        """Note the answer for a lane; requests of which all is stored are `done`."""
        if isinstance(reply, Exception):
            self._refuse(lane, parts, reply)
            return
        at = 0
        for post, pieces in parts:
            events = len(pieces) // PIECES
            if post.count(events, reply.count(_YES, at, at + events)):
                done.append(post)
            at += events
        source, shard = lane
        names = self._integrations_of.get(source, ())
        for integration, mark in zip(names, reply[at : at + len(names)], strict=True):
            if mark == _YES:
                self._wake(integration, shard)

    def _refuse(self, lane: InLane, parts: Parts, fault: BaseException) -> None:
        """Keep for another lane what came by a layout that is no longer in force; fail the requests of all else."""
        if self._move.ask(fault):
            self._move.displace(lane, parts)
        else:
            self._queue.fail(lane, parts, fault)


def _tell(done: deque[Post]) -> None:
    """Tell all of them, also when something is wrong with one."""
    try:
        while done:
            done.popleft().tell()
    finally:
        if done:
            asyncio.get_running_loop().call_soon(_tell, done)
