"""Commands to Redis in one exchange, with something else done between the sending and the answers."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.exceptions import AskError, ResponseError

from worker.store.cluster import Cluster
from worker.store.spread import ELSEWHERE, PAUSES_S
from worker.store.topology import keys_of, slot_of

Call = Sequence[Any]
_LOST = (redis.ConnectionError, redis.TimeoutError)


class Exchange:
    """Sends commands together and reads their replies together, as a worker does with every request.

    On a connection of its own: a pipeline of redis-py waits for the answers as soon as it has sent.

    A call, with what is done meanwhile, is one attempt of the client's `retry`: a settle is over within the patience
    that its lease allows. `ask` leaves it to the caller when the answers are read, or whether: no attempt spans that,
    so answers that got lost are asked for by a call.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._cluster = client if isinstance(client, Cluster) else None
        self._pool: Any = client.connection_pool

    def __call__(self, commands: Sequence[Call], meanwhile: Callable[[], Sequence[Call]] = tuple) -> list[Any]:
        """The replies, in order, errors among them as values. The client's `retry` sends all commands again.

        `meanwhile` runs once, when the commands are on their way. It may find more to ask: those replies follow the
        others, unless the connection broke and only the commands were sent again.

        Raises:
            redis.RedisError: no answer; the commands may have been executed.
        """
        if self._cluster is None:
            return _exchange(self._pool, commands, meanwhile)
        slots = {slot_of(key) for command in commands for key in keys_of(command)}
        if len(slots) == 1:
            return self._follow(self._cluster, slots.pop(), commands, meanwhile)
        return self._cluster.together([(call, {}) for call in [*commands, *meanwhile()]], raw=True)

    def ask(self, commands: Sequence[Call]) -> "UnderWay":
        """Send commands; whoever asks reads the replies later, and does something else meanwhile.

        Raises:
            redis.RedisError: no node of the cluster answers.
        """
        return UnderWay(self, commands, self._pool_of(commands))

    def _pool_of(self, commands: Sequence[Call]) -> Any:
        """The connections of the one node that has all the keys; None where there is none."""
        if self._cluster is None:
            return self._pool
        slots = {slot_of(key) for command in commands for key in keys_of(command)}
        return self._cluster.node_of(slots.pop()).connection_pool if len(slots) == 1 else None

    @staticmethod
    def _follow(
        cluster: Cluster, slot: int, commands: Sequence[Call], meanwhile: Callable[[], Sequence[Call]]
    ) -> list[Any]:
        """The same in a cluster: from the node that has the slot now, wherever it moves."""
        asked, todo = list(commands), [meanwhile]

        def once() -> Sequence[Call]:
            more = todo.pop()() if todo else ()
            asked.extend(more)
            return more

        for pause_s in PAUSES_S:
            looks = cluster.looks
            fault: Exception | None = None
            try:
                first = tuple(asked)
                pool: Any = cluster.node_of(slot).connection_pool
                replies = _exchange(pool, first, once)
                fault = next((reply for reply in replies if isinstance(reply, ELSEWHERE)), None)
                if type(fault) is AskError:
                    pool = cluster.asked(fault).connection_pool
                    replies = _exchange(pool, [one for call in asked for one in (("ASKING",), call)])[1::2]
                    fault = next((reply for reply in replies if isinstance(reply, ELSEWHERE)), None)
            except ELSEWHERE as gone:
                if pause_s == PAUSES_S[-1]:
                    raise
                fault = gone
            if fault is None or pause_s == PAUSES_S[-1]:
                break
            time.sleep(pause_s)
            cluster.look(looks)
        return replies


class UnderWay:
    """Commands on their way: `replies` reads the answers, `drop` does without them."""

    def __init__(self, exchange: Exchange, commands: Sequence[Call], pool: Any) -> None:
        self._again = exchange
        self._commands = commands
        self._pool = pool
        self._connection: Any = None
        try:
            self._send()
        except _LOST:
            self.drop()  # `replies` asks again
        except BaseException:
            self.drop()
            raise

    def _send(self) -> None:
        if self._pool is not None:
            self._connection = self._pool.get_connection()
            self._connection.send_packed_command(self._connection.pack_commands(self._commands))

    def replies(self) -> list[Any]:
        """The replies, in order, errors among them as values; asked for again where they got lost on the way.

        Raises:
            redis.RedisError: no answer; the commands may have been executed.
        """
        if self._connection is None:
            return self._again(self._commands)
        try:
            replies = [_reply(self._connection) for _ in self._commands]
        except _LOST:
            self.drop()
            return self._again(self._commands)
        except BaseException:
            self.drop()
            raise
        self._pool.release(self._connection)
        self._connection = None
        moved = any(isinstance(reply, ELSEWHERE) for reply in replies)
        return self._again(self._commands) if moved else replies

    def drop(self) -> None:
        """Give the answers up, and the connection that they may be in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)


def _exchange(pool: Any, commands: Sequence[Call], meanwhile: Callable[[], Sequence[Call]] = tuple) -> list[Any]:
    connection = pool.get_connection()
    packed = connection.pack_commands(commands)
    todo = [meanwhile]

    def once() -> list[Any]:
        connection.send_packed_command(packed)
        more = todo.pop()() if todo else ()
        if more:
            connection.send_packed_command(connection.pack_commands(more))
        return [_reply(connection) for _ in range(len(commands) + len(more))]

    try:
        replies: list[Any] = connection.retry.call_with_retry(once, lambda _: connection.disconnect())
    except BaseException:
        connection.disconnect()  # unread replies may be left in it
        raise
    finally:
        pool.release(connection)
    return replies


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
