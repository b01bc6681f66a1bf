"""Copies of what was written: whether a replica of each server, where it has one, has it, and its own disk."""

from collections.abc import Iterable
from typing import Any

import redis
from redis.exceptions import NoPermissionError, ResponseError

from worker.store.cluster import Cluster
from worker.store.topology import slot_of

_WITHIN_MS = 2_000

Write = tuple[str, ...]
"""A command that writes, with its key behind its name."""


def write_copied(
    client: redis.Redis, writes: Iterable[Write], within_ms: int = _WITHIN_MS, *, blind: bool = False
) -> bool:
    """Execute these writes; whether they, and all that was written to the same servers before, are copied.

    A server without replicas, or one that knows no WAIT, is not waited for. What was written to a server that
    Sentinels are replacing is not copied, whatever replica had it. A server that does not say whether it has replicas,
    since the relay's user may not ask (INFO), has some; with `blind` none.

    Raises:
        redis.RedisError: a server did not answer, or refused a write.
    """
    by_node: dict[redis.Redis, list[Write]] = {}
    for write in writes:
        node = client.node_of(slot_of(write[1])) if isinstance(client, Cluster) else client
        by_node.setdefault(node, []).append(write)
    found = [_is_copied(node, mine, within_ms, blind=blind) for node, mine in by_node.items()]
    return all(found)


def _is_copied(node: redis.Redis, writes: list[Write], within_ms: int, *, blind: bool) -> bool:
    alone = _is_alone(node, blind=blind)
    pipe: Any = node.pipeline(transaction=False)
    for write in writes:
        pipe.execute_command(*write)
    pipe.execute_command("WAITAOF", 1, 0, within_ms)
    pipe.wait(0 if alone else 1, within_ms)  # on the connection of the writes: it waits for what that one wrote
    pipe.info("server")
    *done, _, confirmed, server = pipe.execute(raise_on_error=False)
    for reply in done:
        if isinstance(reply, Exception):
            raise reply
    if isinstance(confirmed, ResponseError):
        return not str(confirmed).startswith("UNBLOCKED")  # it is a primary no more
    if isinstance(confirmed, Exception):
        raise confirmed
    return (alone or int(confirmed) > 0) and _stays(node, server, alone)


def _stays(node: redis.Redis, server: Any, alone: bool) -> bool:
    """Whether the Sentinels, where there are any, let this server be the primary: asked after a replica had it all."""
    pool: Any = node.connection_pool
    sentinels = getattr(pool, "sentinel_manager", None)
    if sentinels is None:
        return True
    if isinstance(server, NoPermissionError) and alone:
        return True
    if isinstance(server, Exception):
        raise server
    settled: bool = sentinels.are_settled_on(pool.service_name, server["run_id"], alone=alone)
    if not settled:
        pool.disconnect(inuse_connections=False)  # the next one asks where the primary is
    return settled


def _is_alone(node: redis.Redis, *, blind: bool) -> bool:
    try:
        said: Any = node.info("replication")
    except ResponseError:
        return blind
    return not said.get("connected_slaves")
