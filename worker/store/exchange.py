"""Commands to Redis in one exchange, with something else done between the sending and the answers."""

from collections.abc import Callable, Sequence
from typing import Any

import redis
from redis.exceptions import ResponseError

Call = Sequence[Any]


class Exchange:
    """Sends commands together and reads their replies together, as a worker does with every request.

    On a connection of its own: a pipeline of redis-py waits for the answers as soon as it has sent.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._pool: Any = client.connection_pool

    def __call__(self, commands: Sequence[Call], meanwhile: Callable[[], Sequence[Call]] = tuple) -> list[Any]:
        """The replies, in order, errors among them as values. The client's `retry` sends all commands again.

        `meanwhile` runs once, when the commands are on their way. It may find more to ask: those replies follow the
        others, unless the connection broke and only the commands were sent again.

        Raises:
            redis.RedisError: no answer; the commands may have been executed.
        """
        connection = self._pool.get_connection()
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
            self._pool.release(connection)
        return replies


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
