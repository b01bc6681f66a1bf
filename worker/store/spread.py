"""Commands of several nodes of a Redis Cluster: all nodes are asked before any is heard, what moved is followed."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import redis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's names
    MasterDownError,
    MovedError,
    TimeoutError,  # noqa: A004
    TryAgainError,
)

from worker.store.topology import slot_of_all

# The node is gone, or has the slot no longer, or not yet: the next look may find another one.
ELSEWHERE = (MovedError, AskError, ClusterDownError, TryAgainError, MasterDownError, ConnectionError, TimeoutError)
# Waits between the attempts. A fail-over takes longer: then the caller gets the error, and comes again.
PAUSES_S = (0.0, 0.05, 0.2, 0.5)

Queued = tuple[Sequence[Any], dict[str, Any]]
"""A command, and redis-py's options for reading its reply."""
Callbacks = Mapping[str, Any] | None


class Nodes(Protocol):
    """The part of a cluster that is needed here."""

    @property
    def looks(self) -> int:
        """How often the cluster was asked."""

    def node_of(self, slot: int | None) -> redis.Redis:
        """The client of the node that has a slot."""

    def asked(self, fault: AskError) -> redis.Redis:
        """The client of the node that a slot is moving to."""

    def look(self, looks: int = -1) -> int:
        """Ask the cluster again."""


def spread(cluster: Nodes, stack: Sequence[Queued], callbacks: Callbacks) -> list[Any]:
    """The replies in the order of the commands, errors among them as values.

    Raises:
        redis.RedisError: a node did not answer; the commands may have been executed.
    """
    replies: list[Any] = [None] * len(stack)
    left = list(range(len(stack)))
    slots = [slot_of_all(args) for args, _ in stack]
    for pause_s in PAUSES_S:
        looks = cluster.looks
        parts: dict[int, tuple[redis.Redis, list[int]]] = {}
        for index in left:
            node = cluster.node_of(slots[index])
            parts.setdefault(id(node), (node, []))[1].append(index)
        asked = [(node, [stack[index] for index in part]) for node, part in parts.values()]
        for (_, part), answers in zip(parts.values(), _ask(asked, callbacks), strict=True):
            for index, answer in zip(part, answers, strict=True):
                replies[index] = answer
        _follow(cluster, stack, replies, callbacks)
        left = [index for index in left if isinstance(replies[index], ELSEWHERE)]
        if not left or pause_s == PAUSES_S[-1]:
            break
        time.sleep(pause_s)
        cluster.look(looks)
    for reply in replies:
        if isinstance(reply, ConnectionError | TimeoutError):
            raise reply
    return replies


def _follow(cluster: Nodes, stack: Sequence[Queued], replies: list[Any], callbacks: Callbacks) -> None:
    """Ask the nodes that slots are just moving to, for what they have of them already."""
    for index, reply in enumerate(replies):
        if type(reply) is AskError:
            pair: list[Queued] = [(("ASKING",), {}), stack[index]]
            replies[index] = _ask([(cluster.asked(reply), pair)], callbacks)[0][1]


def _ask(asked: Sequence[tuple[redis.Redis, list[Queued]]], callbacks: Callbacks) -> list[list[Any]]:
    sent = [_send(node, [args for args, _ in stack]) for node, stack in asked]
    return [_hear(node, connection, stack, callbacks) for (node, stack), connection in zip(asked, sent, strict=True)]


def _send(node: Any, commands: list[Any]) -> Any:
    """The connection that the commands are on; or why there is none."""
    try:
        connection = node.connection_pool.get_connection()
    except (ConnectionError, TimeoutError) as fault:
        return fault
    try:
        connection.send_packed_command(connection.pack_commands(commands))
    except (ConnectionError, TimeoutError) as fault:
        connection.disconnect()
        node.connection_pool.release(connection)
        return fault
    return connection


def _hear(node: Any, connection: Any, stack: list[Queued], callbacks: Callbacks) -> list[Any]:
    if isinstance(connection, Exception):
        return [connection] * len(stack)
    replies: list[Any] = []
    is_whole = False
    try:
        for args, options in stack:
            replies.append(_read(connection, str(args[0]), options, callbacks))
        is_whole = True
    except (ConnectionError, TimeoutError) as fault:
        replies += [fault] * (len(stack) - len(replies))
    finally:
        if not is_whole:
            connection.disconnect()  # unread replies may be left in it
        node.connection_pool.release(connection)
    return replies


def _read(connection: Any, name: str, options: dict[str, Any], callbacks: Callbacks) -> Any:
    try:
        reply = connection.read_response()
    except redis.ResponseError as refused:
        return refused
    if callbacks is None or name not in callbacks:
        return reply
    return callbacks[name](reply, **{key: value for key, value in options.items() if key != "keys"})
