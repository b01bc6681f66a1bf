"""Pipeline over the nodes of a Redis Cluster: queued like redis-py's own, executed by each node for its part."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import redis
from redis.client import Pipeline
from redis.exceptions import AskError, ClusterDownError, NoScriptError, TryAgainError, WatchError

from worker.store.topology import slot_of_all


class Whole(Protocol):
    """The part of a cluster's client that a pipeline needs; `worker.store.cluster.Cluster` says what each does."""

    # ruff: noqa: D102

    connection_pool: Any
    response_callbacks: Any

    def node_of(self, slot: int | None) -> redis.Redis: ...
    def following(self, slot: int | None, act: Callable[[redis.Redis], Any]) -> Any: ...
    def together(self, stack: Sequence[Any]) -> list[Any]: ...
    def look(self) -> int: ...
    def script_load(self, script: Any) -> Any: ...


class Together(Pipeline):
    """A pipeline; a transaction is of one slot."""

    def __init__(self, cluster: Whole, *, transaction: bool) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction, None)
        self._cluster = cluster
        self._atomic = transaction
        self._slot: int | None = None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Queue a command; while keys are watched, execute it."""
        slot = slot_of_all(args)
        if self._atomic and self._slot is None and slot is not None:
            self._slot = slot
            self.connection_pool = self._cluster.node_of(slot).connection_pool
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def reset(self) -> Any:
        """Begin again."""
        super().reset()
        self._slot = None

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The replies, in the order of the commands.

        Raises:
            redis.RedisError: a command failed, or a node did not answer.
        """
        try:
            if self.watching:
                return self._execute_watched(raise_on_error)
            stack = list(self.command_stack)
            if not stack:
                return []
            self._load()
            if self._atomic:
                return list(self._cluster.following(self._slot, lambda node: _at_once(node, stack, raise_on_error)))
            replies = self._cluster.together(stack)
            # of a node that was found on the way, in place of one that has ended
            lacking = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if lacking and self.scripts:
                self._load()
                again = self._cluster.together([stack[index] for index in lacking])
                for index, reply in zip(lacking, again, strict=True):
                    replies[index] = reply
            if raise_on_error:
                self.raise_first_error(stack, replies)  # type: ignore[no-untyped-call]
            return replies
        finally:
            self.reset()

    def _load(self) -> None:
        """Have every node know the scripts, as far as the nodes are known."""
        for one in self.scripts:
            self._cluster.script_load(one.script)

    def _execute_watched(self, raise_on_error: bool) -> list[Any]:
        try:
            return list(super().execute(raise_on_error))
        except (AskError, ClusterDownError, TryAgainError) as fault:  # MOVED is an ASK in redis-py's tree
            self._cluster.look()
            raise WatchError("the keys that are watched are on another node now") from fault


def _at_once(node: redis.Redis, stack: list[Any], raise_on_error: bool) -> Any:
    """A transaction on one node."""
    pipe = node.pipeline(transaction=True)
    pipe.command_stack = list(stack)
    return pipe.execute(raise_on_error)
