"""Redis Cluster as one client: each command goes to the node that has its keys, and again where the cluster sends it.

All keys of a shard are in one slot, so every script runs on one node. What is of several slots (a pipeline over shards,
MGET of people, SCAN) is asked of each node, and the answers are put together.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, MovedError
from redis.retry import Retry

from worker.store.keys import PROCESSES
from worker.store.patience import Patience
from worker.store.spread import ELSEWHERE, PAUSES_S, spread
from worker.store.together import Together
from worker.store.topology import Place, keys_of, read_slots, slot_of

_LOOK_S = 2.0
# Keyless commands ask the node that holds the heartbeats: all times are of one clock then.
_HOME = slot_of(PROCESSES)


class Cluster(redis.Redis):
    """The client; `seeds` are nodes to begin with, `arguments` those of a client of one node."""

    def __init__(self, seeds: Sequence[Place], **arguments: Any) -> None:
        self._seeds = list(seeds)
        # behind a timeout the cluster is asked first who has the slot now
        self._arguments = {**arguments, "retry": Patience(NoBackoff(), 1, latest_s=5)}
        self._clients: dict[Place, redis.Redis] = {}
        self._table: list[Place] = []
        self._looks = 0
        self._lock = threading.Lock()
        super().__init__(connection_pool=self._client(self._seeds[0]).connection_pool)

    def nodes(self) -> list[redis.Redis]:
        """A client of each primary.

        Raises:
            redis.RedisError: no node answers.
        """
        return [self._client(place) for place in sorted(set(self._known()))]

    def node_of(self, slot: int | None) -> redis.Redis:
        """The client of the node that has a slot; None: of the one that is asked what concerns no key.

        Raises:
            redis.RedisError: no node answers.
        """
        return self._client(self._known()[_HOME if slot is None else slot])

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Have the nodes that a command's keys are on execute it."""
        name = str(args[0]).upper()
        if name in {"SCRIPT LOAD", "FLUSHALL", "FLUSHDB"}:
            return [node.execute_command(*args, **options) for node in self.nodes()][-1]
        if name == "DBSIZE":
            return sum(node.execute_command(*args, **options) for node in self.nodes())
        keys = keys_of(args)
        slots = [slot_of(key) for key in keys]
        if len(set(slots)) < 2:
            return self._execute(slots[0] if slots else None, args, options)
        parts: dict[int, list[int]] = {}
        for index, slot in enumerate(slots):
            parts.setdefault(slot, []).append(index)
        stack = [((args[0], *(keys[index] for index in places)), options) for places in parts.values()]
        replies = self.together(stack)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        if name != "MGET":
            return sum(replies)
        values = [None] * len(keys)
        for places, reply in zip(parts.values(), replies, strict=True):
            for index, value in zip(places, reply, strict=True):
                values[index] = value
        return values

    def together(self, stack: Sequence[tuple[Sequence[Any], dict[str, Any]]], *, raw: bool = False) -> list[Any]:
        """The replies to commands of any nodes, errors among them as values; `raw`: as the protocol has them.

        Raises:
            redis.RedisError: a node did not answer; the commands may have been executed.
        """
        return spread(self, stack, None if raw else self.response_callbacks)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Together:  # noqa: ARG002 - redis-py's signature
        """Commands that go out together; a transaction is of one slot."""
        return Together(self, transaction=transaction)

    def scan_iter(self, *args: Any, **options: Any) -> Iterator[Any]:
        """The keys of every node."""
        for node in self.nodes():
            yield from node.scan_iter(*args, **options)

    def close(self) -> None:
        """Close the connections to all nodes."""
        for client in self._clients.values():
            client.close()

    def following(self, slot: int | None, act: Callable[[redis.Redis], Any]) -> Any:
        """Do something with the node that has a slot, and again where the cluster says that it is now.

        Raises:
            redis.RedisError: no node did it; what a node lost the connection over may be done.
        """
        for pause_s in PAUSES_S:
            looks = self._looks
            try:
                return act(self.node_of(slot))
            except ELSEWHERE:
                if pause_s == PAUSES_S[-1]:
                    raise
                time.sleep(pause_s)
                self.look(looks)
        raise AssertionError("the last attempt returns or raises")

    def look(self, looks: int = -1) -> int:
        """Ask the cluster again which node has which slot, if nobody has since the look of this number.

        Raises:
            redis.RedisError: no node answers.
        """
        with self._lock:
            if looks in {-1, self._looks}:
                self._table = self._ask_around()
                self._looks += 1
            return self._looks

    @property
    def looks(self) -> int:
        """How often the cluster was asked."""
        return self._looks

    def asked(self, fault: AskError) -> redis.Redis:
        """The client of the node that a slot is moving to."""
        return self._client((fault.host, fault.port))

    def _execute(self, slot: int | None, args: Sequence[Any], options: dict[str, Any]) -> Any:
        def act(node: redis.Redis) -> Any:
            try:
                return node.execute_command(*args, **options)
            except MovedError:
                raise
            except AskError as fault:
                pipe = self.asked(fault).pipeline(transaction=False)
                pipe.execute_command("ASKING").execute_command(*args, **options)
                return pipe.execute()[1]

        return self.following(slot, act)

    def _known(self) -> list[Place]:
        if not self._table:
            self.look(0)
        return self._table

    def _client(self, place: Place) -> redis.Redis:
        client = self._clients.get(place)
        if client is None:
            client = self._clients.setdefault(place, redis.Redis(host=place[0], port=place[1], **self._arguments))
        return client

    def _ask_around(self) -> list[Place]:
        """The table as the first node that answers has it."""
        known = sorted(set(self._table))
        random.shuffle(known)  # a node that is cut off knows an old table: it must not be asked each time
        fault: redis.RedisError = ClusterDownError("CLUSTERDOWN no node answers")
        once = {"socket_timeout": _LOOK_S, "socket_connect_timeout": _LOOK_S, "retry": Retry(NoBackoff(), 0)}
        for place in dict.fromkeys((*known, *self._seeds)):
            try:
                with redis.Redis(host=place[0], port=place[1], **{**self._arguments, **once}) as client:
                    table = read_slots(client.execute_command("CLUSTER", "SLOTS"), place)
            except redis.RedisError as refused:
                fault = refused
                continue
            if table is not None:
                return table
        raise fault


def nodes_of(client: redis.Redis) -> list[redis.Redis]:
    """A client of each server that keeps something: of the one there is, or of every primary of a cluster.

    Raises:
        redis.RedisError: no node answers.
    """
    return client.nodes() if isinstance(client, Cluster) else [client]


def server_of(client: redis.Redis, key: str) -> redis.Redis:
    """A client of the server that has a key.

    Raises:
        redis.RedisError: no node answers.
    """
    return client.node_of(slot_of(key)) if isinstance(client, Cluster) else client
