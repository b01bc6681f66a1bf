"""Appends to the streams from the web door: everything that waits goes out in one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from worker.errors import NotStoredError
from worker.ingest.arguments import PIECES, Incoming, encode_events
from worker.ingest.confirmation import Confirmation
from worker.ingest.memory import InLane, Kept, Memory
from worker.ingest.nodes import Nodes
from worker.ingest.posts import Parts, Post, Tell, Trip, pieces_of, split, spread_parts
from worker.ingest.roundtrip import refusal
from worker.ingest.spreading import ShardOf
from worker.ingest.store_events import Storing
from worker.process.eventlog import RareLog
from worker.store.async_cluster import AsyncCluster
from worker.store.layout import Layout

__all__ = ["Appender", "Incoming"]

log = RareLog(__name__, every_s=1)

_YES = ord("1")
# Redis is far when even the quickest trip takes so long: then the next one does not wait for it, but gathers for a
# moment, or until so many requests are there. Next door it is cheaper to wait.
_FAR_S = 0.002
_GATHER_S, _GATHER_REQUESTS = 0.001, 8
MOST_TRIPS = 12
# Between looks at a layout that does not change.
_PAUSE_S = 0.02
# Of the quickest trip, with each one: a thousand slow ones are believed.
_FADE = 1.001


class Appender:
    """Coalesces appends: while a round trip is under way, what comes in is gathered for the next.

    It leaves when the last has returned, or, where Redis is far away, right behind it. What a sender posts in order is
    stored in order: the events that one request has for a lane go in one script, or one after the other. `wake` is
    called with (integration, shard) for each idle lane that got something, and must not block.
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
        find_layout: Callable[[], Awaitable[Layout]] | None = None,
        shard_of: ShardOf = lambda _source, _raw: 0,
    ) -> None:
        self.layout = Layout(shards)

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
        self._find_layout, self._shard_of = find_layout, shard_of
        self._stored_by = self.layout
        self._displaced: dict[InLane, Parts] = {}  # what was refused, since another layout is in force
        self._is_move_due = False
        self._moved = asyncio.Event()
        self._moving: asyncio.Task[None] | None = None
        self._next_integrations_of: dict[str, tuple[str, ...]] | None = None
        self._wake = wake
        # a request waits for the trip under way and for its own
        self._trip_s = timeout_s / 2
        self._lanes: dict[InLane, Parts] = {}
        self._travellers: set[asyncio.Task[None] | None] = set()
        self._most_trips = 1 if isinstance(client, AsyncCluster) else MOST_TRIPS
        self._under_way = 0
        self._torn: set[InLane] = set()  # lanes with a request of which a part is under way and a part waits
        self._gathering: asyncio.TimerHandle | None = None
        self._gathered = 0  # requests since the last trip left
        self._quickest_s = 0.0  # of the trips of late

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
        for lane, mine in encode_events(events).items():
            waiting = self._lanes.get(lane)
            if waiting is None:
                self._lanes[lane] = [(post, mine)]
            else:
                waiting.append((post, mine))
        self._gathered += 1
        self._go()
        return post

    def _go(self) -> None:
        """Let the next trip leave, unless it is worth to wait."""
        if self._travellers:
            if self._quickest_s < _FAR_S or len(self._travellers) >= self._most_trips:
                return
            if self._gathered < _GATHER_REQUESTS:
                if self._gathering is None and self._lanes:
                    self._gathering = asyncio.get_running_loop().call_later(_GATHER_S, self._leave)
                return
        self._leave()

    def _leave(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._gathered = 0
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
                if not self._ask_to_move(fault):
                    raise
                await self._moved.wait()
                await self._storing.probe()

    async def _travel(self, trip: Trip | None) -> None:
        """Trip after trip, while anything waits: the next one leaves before the answers of the last are written."""
        try:
            while trip:
                await self._carry(*trip)
                trip = self._board()
        finally:
            self._travellers.discard(asyncio.current_task())

    async def _carry(self, trip: list[tuple[InLane, Parts]], torn: set[InLane]) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._trip_s):
                replies = await self._storing.store([(lane, pieces_of(parts)) for lane, parts in trip])
            # a trip that failed at once says nothing of how far away Redis is
            took_s = asyncio.get_running_loop().time() - began_s
            self._quickest_s = min(took_s, self._quickest_s * _FADE) or took_s
            for (lane, parts), reply in zip(trip, replies, strict=True):
                self._answer(lane, parts, reply)
        except BaseException as fault:
            # whatever failed, every request needs an answer
            for lane, parts in trip:
                self._refuse(lane, parts, fault)
            if not isinstance(fault, Exception):
                raise
        finally:
            self._under_way -= 1
            self._torn -= torn

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(self._trip_s):
                await self._storing.look()
        except (NotStoredError, RedisError, OSError) as fault:
            self._ask_to_move(fault)  # whatever else it is, the next trip says so to who has something to store

    def _board(self) -> Trip | None:
        """What the next trip carries: of each lane, in order, as much as one script may hold; None: nothing."""
        if self._is_move_due:
            if not self._under_way and self._moving is None:
                self._moving = asyncio.get_running_loop().create_task(self._move())
            return None  # the last of them, and the move, board again
        if self._next_integrations_of is not None:
            if self._under_way:
                return None  # the last of them boards again
            self._integrations_of, self._next_integrations_of = self._next_integrations_of, None
            self._storing.adopt(self._integrations_of)
        trip: list[tuple[InLane, Parts]] = []
        torn: set[InLane] = set()
        waiting, self._lanes = self._lanes, {}
        for lane, parts in waiting.items():
            if lane in self._torn:
                self._lanes[lane] = parts
                continue
            taken, left = split(parts)
            trip.append((lane, taken))
            if left:
                self._lanes[lane] = left
                torn.add(lane)
                self._expire(lane)
        if not trip:
            return None
        self._torn |= torn
        self._under_way += 1
        return trip, torn

    def _expire(self, lane: InLane) -> None:
        """Fail what would be answered too late: several trips are queued and Redis is slow."""
        latest_s = asyncio.get_running_loop().time() - self._trip_s
        late = [part for part in self._lanes[lane] if part[0].born_s < latest_s]
        if late:
            self._fail(lane, late, TimeoutError())

    def _answer(self, lane: InLane, parts: Parts, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._refuse(lane, parts, reply)
            return
        at = 0
        for post, pieces in parts:
            events = len(pieces) // PIECES
            post.count(events, reply.count(_YES, at, at + events))
            at += events
        source, shard = lane
        names = self._integrations_of.get(source, ())
        for integration, mark in zip(names, reply[at : at + len(names)], strict=True):
            if mark == _YES:
                self._wake(integration, shard)

    def _refuse(self, lane: InLane, parts: Parts, fault: BaseException) -> None:
        """Keep for another lane what came by a layout that is no longer in force; fail the requests of all else."""
        if self._ask_to_move(fault):
            self._displaced.setdefault(lane, []).extend(parts)
        else:
            self._fail(lane, parts, fault)

    def _ask_to_move(self, fault: BaseException) -> bool:
        """Have the layout in force taken up, if that is what a fault asks for."""
        if self._find_layout is None or refusal(fault) != "layout":
            return False
        self._is_move_due = True
        self._moved.clear()
        asyncio.get_running_loop().call_soon(self._leave)
        return True

    async def _move(self) -> None:
        """Take up the layout in force, and spread by it what waits: what was refused goes before what came later."""
        displaced, self._displaced = self._displaced, {}
        try:
            async with asyncio.timeout(self._trip_s):
                await self._resize()
            self._lanes = spread_parts([*displaced.items(), *self._lanes.items()], self._shard_of)
        except BaseException as fault:
            # whatever failed, every request needs an answer
            for lane, parts in displaced.items():
                self._fail(lane, parts, fault)
            if not isinstance(fault, Exception):
                raise
        finally:
            self._is_move_due, self._moving = False, None
            self._moved.set()
        for lane in list(self._lanes):
            self._expire(lane)
        self._leave()

    async def _resize(self) -> None:
        assert self._find_layout is not None
        found = await self._find_layout()
        if (found.epoch, found.shards) == (self._stored_by.epoch, self._stored_by.shards):
            await asyncio.sleep(_PAUSE_S)  # refused all the same: not at once again
        else:
            self.layout = found
            await self._storing.resize(found, self._shard_of)
            self._stored_by = found

    def _fail(self, lane: InLane, parts: Parts, fault: BaseException) -> None:
        """Fail the requests of these events, and drop what waits of them: stored now, it would overtake the rest."""
        reason = refusal(fault)
        if reason == "refused":
            log.error("append_refused", fault=type(fault).__name__)
        for post, _ in parts:
            post.fail(reason)
        waiting = [part for part in self._lanes.pop(lane, []) if not part[0].is_over]
        if waiting:
            self._lanes[lane] = waiting
