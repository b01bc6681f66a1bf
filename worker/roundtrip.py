"""Commands to Redis in one round trip; packed in C, since redis-py packs an asyncio pipeline argument by argument."""

from collections.abc import Sequence
from typing import Any

import hiredis
import redis.asyncio
from redis.exceptions import ResponseError


async def round_trip(client: redis.asyncio.Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """The replies to the commands, in order, errors among them as values. The client's `retry` sends all of them again.

    Raises:
        redis.RedisError: no answer; the commands may have been executed.
        OSError: likewise.
    """
    pack: Any = hiredis.pack_command  # its types know a tuple of one
    packed = b"".join([pack(tuple(command)) for command in commands])
    connection: Any = await client.connection_pool.get_connection()

    async def once() -> list[Any]:
        await connection.send_packed_command(packed)
        return [await _reply(connection) for _ in commands]

    async def fail(_fault: Exception) -> None:
        await connection.disconnect()

    try:
        return list(await connection.retry.call_with_retry(once, fail))
    finally:
        # one that was cancelled while it waited for a reply has closed itself
        await client.connection_pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
