"""Redis Cluster for the web door: a client of each node, and which of them has a slot."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio
from redis.exceptions import ClusterDownError

from worker.store.topology import Place, read_slots

_LOOK_S = 1.0


class AsyncCluster:
    """The clients; `seeds` are nodes to begin with, `arguments` those of a client of one node."""

    def __init__(self, seeds: Sequence[Place], **arguments: Any) -> None:
        self._seeds = list(seeds)
        self._arguments = arguments
        self._clients: dict[Place, redis.asyncio.Redis] = {}
        self._table: list[Place] = []
        self._lock = asyncio.Lock()
        self.looks = 0

    async def table(self) -> list[Place]:
        """The primary of each slot, as the cluster said last.

        Raises:
            redis.RedisError: no node answers.
        """
        if not self._table:
            await self.look(0)
        return self._table

    async def look(self, looks: int) -> None:
        """Ask the cluster again which node has which slot, if nobody has since the look of this number.

        Raises:
            redis.RedisError: no node answers.
        """
        async with self._lock:
            if looks == self.looks:
                self._table = await self._ask_around()
                self.looks += 1

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        for client in self._clients.values():
            await client.aclose()

    def client(self, place: Place) -> redis.asyncio.Redis:
        """The client of the node at a place."""
        client = self._clients.get(place)
        if client is None:
            client = redis.asyncio.Redis(host=place[0], port=place[1], **self._arguments)
            self._clients[place] = client
        return client

    async def _ask_around(self) -> list[Place]:
        """The table as the first node that answers has it."""
        known = sorted(set(self._table))
        random.shuffle(known)  # a node that is cut off knows an old table: it must not be asked each time
        fault: redis.RedisError = ClusterDownError("CLUSTERDOWN no node answers")
        for place in dict.fromkeys((*known, *self._seeds)):
            once = {**self._arguments, "socket_timeout": _LOOK_S, "socket_connect_timeout": _LOOK_S}
            client = redis.asyncio.Redis(host=place[0], port=place[1], **once)
            try:
                table = read_slots(await client.execute_command("CLUSTER", "SLOTS"), place)
            except redis.RedisError as refused:
                fault = refused
            else:
                if table is not None:
                    return table
            finally:
                await client.aclose()
        raise fault
