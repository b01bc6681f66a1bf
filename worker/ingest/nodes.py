"""Storing in a Redis Cluster: one trip to each node, with what the door remembers of the shards that it has.

When a shard moves to another node, what is remembered of it moves too: the node is compared with it, and given what it
lacks, before anything else of that shard is stored there.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
import redis.asyncio

from worker.errors import NotStoredError
from worker.ingest.memory import InLane, Kept, Memory
from worker.ingest.roundtrip import refusal
from worker.ingest.spreading import ShardOf
from worker.ingest.store_events import Storing
from worker.store.async_cluster import AsyncCluster
from worker.store.keys import shard_key
from worker.store.layout import Layout
from worker.store.spread import ELSEWHERE
from worker.store.topology import Place, slot_of

# Waits between the attempts to follow a shard: short, since the events of every other node wait meanwhile.
_PAUSES_S = (0.0, 0.05, 0.2)

Events = tuple[InLane, list[bytes]]
Making = Callable[[redis.asyncio.Redis, Memory], Storing]


class Nodes:
    """Stores events like `Storing`; a node that does not answer is an error of its own shards alone.

    `make` makes the storing of one node, `memory` bounds what is remembered of all of them.
    """

    def __init__(
        self,
        cluster: AsyncCluster,
        make: Making,
        memory: Memory,
        prepare: Callable[[], Awaitable[None]],
        integrations_of: dict[str, tuple[str, ...]],
        shards: int,
    ) -> None:
        self._cluster = cluster
        self._make = make
        self._memory = memory
        self._prepare: Callable[[], Awaitable[None]] | None = prepare
        self._integrations_of = integrations_of
        self._slots = _slots(shards)
        self._nodes: dict[Place, tuple[Storing, Memory]] = {}
        self._place_of: dict[int, Place] = {}
        self._placed_at = 0

    def adopt(self, integrations_of: dict[str, tuple[str, ...]]) -> None:
        """Check the wake and hold marks of these integrations from the next trip on."""
        self._integrations_of = integrations_of
        for storing, _ in self._nodes.values():
            storing.adopt(integrations_of)

    async def resize(self, layout: Layout, shard_of: ShardOf) -> None:
        """Store by another layout from the next trip on, and what is to be appended again too; no trip is under way.

        Raises:
            redis.RedisError: no node answers.
        """
        self._slots, self._placed_at = _slots(layout.shards), -1
        await self._place()
        for place, (storing, _) in self._nodes.items():
            await storing.resize(layout, shard_of)
            storing.serve([shard for shard, here in self._place_of.items() if here == place])

    def give(self, items: Sequence[Kept]) -> None:
        """Give what is remembered to the nodes that have its shards now."""
        for item in items:
            self._nodes[self._place_of[item.lane[1]]][0].take_over([item])

    async def store(self, lanes: Sequence[Events]) -> list[Any]:
        """The script's answer for each lane's encoded events, in order, errors among them as values.

        Raises:
            NotStoredError: nothing was tried.
            redis.RedisError: no node answers.
        """
        if self._prepare is not None:
            await self._prepare()
            self._prepare = None
        replies: list[Any] = [None] * len(lanes)
        left = list(range(len(lanes)))
        for pause_s in _PAUSES_S:
            await self._place()
            parts: dict[Place, list[int]] = {}
            for index in left:
                parts.setdefault(self._place_of[lanes[index][0][1]], []).append(index)
            trips = [self._trip(place, [lanes[index] for index in part]) for place, part in parts.items()]
            for part, answers in zip(parts.values(), await asyncio.gather(*trips), strict=True):
                for index, answer in zip(part, answers, strict=True):
                    replies[index] = answer
            left = [index for index in left if _is_elsewhere(replies[index])]
            if not left or pause_s == _PAUSES_S[-1]:
                break
            await asyncio.sleep(pause_s)
            await self._cluster.look(self._placed_at)
        for index in left:
            if refusal(replies[index]) == "refused":
                replies[index] = NotStoredError("cluster")
        return replies

    async def probe(self) -> None:
        """Do all that storing does, without an event, on each node; one that stores is enough.

        Raises:
            NotStoredError: no event would be stored.
        """
        try:
            await self._place()
            shards = {place: shard for shard, place in self._place_of.items()}
            lanes: list[Events] = [
                ((source, shard), []) for source in self._integrations_of for shard in shards.values()
            ]
            replies = await self.store(lanes)
        except (redis.RedisError, OSError) as fault:
            raise NotStoredError(refusal(fault)) from None
        faults = [reply for reply in replies if isinstance(reply, Exception)]
        if faults and len(faults) == len(replies):
            raise NotStoredError(refusal(faults[0]))

    async def follow(self) -> None:
        """Nothing: a node that lost its primacy says so itself, and where its slots are."""

    async def look(self) -> None:
        """Look at each node, once a second.

        Raises:
            redis.RedisError: no node answers.
        """
        if self._prepare is not None:
            return
        await self._place()
        places = set(self._place_of.values())
        looks = (storing.look() for place, (storing, _) in self._nodes.items() if place in places)
        for fault in await asyncio.gather(*looks, return_exceptions=True):
            if _is_elsewhere(fault):
                await self._cluster.look(self._placed_at)
                return  # the next look goes where the shards are then

    async def _trip(self, place: Place, lanes: Sequence[Events]) -> list[Any]:
        """A trip to one node, whose failure is every lane's."""
        try:
            return await self._nodes[place][0].store(lanes)
        except (redis.RedisError, OSError, NotStoredError) as fault:
            return [fault] * len(lanes)

    async def _place(self) -> None:
        """Have each shard served where it is now."""
        table = await self._cluster.table()
        if self._placed_at == self._cluster.looks:
            return
        self._placed_at = self._cluster.looks
        former, self._place_of = self._place_of, {shard: table[slot] for shard, slot in enumerate(self._slots)}
        primaries = set(self._place_of.values())
        for place in primaries - self._nodes.keys():
            memory = self._memory.share(len(primaries))
            self._nodes[place] = (self._make(self._cluster.client(place), memory), memory)
        for place in {*primaries, *former.values()}:
            mine = [shard for shard, here in self._place_of.items() if here == place]
            if mine == [shard for shard, here in former.items() if here == place]:
                continue
            storing, memory = self._nodes[place]
            for shard in mine:
                if former.get(shard, place) != place:
                    self._nodes[former[shard]][1].move(shard, memory)
            storing.serve(mine)


def _slots(shards: int) -> list[int]:
    """The slot of each shard."""
    return [slot_of(shard_key(shard, "events", "")) for shard in range(shards)]


def _is_elsewhere(reply: Any) -> bool:
    return isinstance(reply, (*ELSEWHERE, OSError)) or (
        isinstance(reply, NotStoredError) and reply.reason == "readonly"
    )
