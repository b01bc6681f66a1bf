"""Commands to Redis in one round trip, and a fixed code for why one failed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import hiredis
import redis.asyncio
from redis import exceptions
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.exceptions import ResponseError

from worker.errors import NotStoredError
from worker.process.sentinels import is_of_sentinels

# A command in Redis's protocol, in pieces: the number of its arguments, then each with its length. Encoded by the
# caller: redis-py encodes argument by argument, which took more time than all the rest of an append.
Command = list[bytes]


def encode(arguments: Iterable[str | int | bytes]) -> bytes:
    """Arguments as the protocol has them, without their number."""
    raws = (one if isinstance(one, bytes) else str(one).encode() for one in arguments)
    return b"".join(b"$%d\r\n%b\r\n" % (len(raw), raw) for raw in raws)


class Line:
    """The connections of a client that round trips go over: as many as there are trips at one time.

    They are not of the client's pool, where taking and returning one costs as much as a trip; closing the client
    closes them. `meet` is awaited with each one that was opened, or opened again, before anything else is sent on it.
    All are of one server, that which was met last: while Sentinels make up their minds, two take writes.
    """

    def __init__(self, client: redis.asyncio.Redis, meet: Callable[[Any], Awaitable[object]] | None = None) -> None:
        self._pool: Any = client.connection_pool
        self._meet = meet
        self._idle: list[Any] = []
        self._unmet: set[Any] = set()
        self._names: dict[Any, bytes] = {}
        self._name = b""

    async def take(self) -> Any:
        """A connection that is open, was met, and has no unread reply."""
        if not self._idle:
            connection = await self._pool.get_connection()
            connection.register_connect_callback(self._opened)
            self._opened(connection)
        else:
            connection = self._idle.pop()
        try:
            if self.is_former(connection):
                await connection.disconnect()
            if not connection.is_connected or await connection.can_read():
                await self._pool.ensure_connection(connection)  # it is opened, again if something is wrong with it
            if connection in self._unmet:
                await self._introduce(connection)
        except BaseException:
            self.give(connection)
            raise
        return connection

    async def renew(self, connection: Any) -> None:
        """Open a connection again that was taken, and meet its server."""
        await connection.disconnect()
        await connection.connect()
        await self._introduce(connection)

    async def _introduce(self, connection: Any) -> None:
        if connection in self._unmet:
            if self._meet is not None:
                await self._meet(connection)
            self._unmet.discard(connection)

    def note_server(self, connection: Any, name: bytes) -> None:
        """A connection is to the server of this name: from now on the one to be used, and no other."""
        self._names[connection] = self._name = name

    def is_former(self, connection: Any) -> bool:
        """Whether a connection that was met is to another server than the one that was met last."""
        return connection not in self._unmet and self._names.get(connection, self._name) != self._name

    async def follow(self) -> None:
        """Leave a server that the Sentinels no longer name, though it answers; without them, nothing is asked."""
        find = getattr(self._pool, "get_master_address", None)
        if find is None or not self._idle:
            return
        place = await find()
        if any((one.host, one.port) != tuple(place) for one in self._idle if one.is_connected):
            await self.hang_up()

    def _opened(self, connection: Any) -> None:
        self._unmet.add(connection)

    def give(self, connection: Any) -> None:
        """Keep it for the next trip; a closed one is opened again then."""
        self._idle.append(connection)

    async def hang_up(self) -> None:
        """Close the connections that are kept: unread replies on them may belong to other commands.

        No trip takes one meanwhile, before it is closed.
        """
        kept, self._idle = self._idle, []
        try:
            for connection in kept:
                await connection.disconnect()
        finally:
            self._idle += kept


async def exchange(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """The replies to the commands, in order, errors among them as values.

    Raises:
        redis.RedisError: no answer; the commands may have been executed, and the connection is closed.
        OSError: likewise.
    """
    replies: list[Any] = []
    try:
        await connection.send_packed_command(b"".join([piece for command in commands for piece in command]))
        while len(replies) < len(commands):
            try:
                replies.append(await connection.read_response())
            except ResponseError as error:
                replies.append(error)
            _add_at_hand(connection, replies, len(commands))
    except (exceptions.ConnectionError, exceptions.TimeoutError):
        await connection.disconnect()
        raise
    return replies


def _add_at_hand(connection: Any, replies: list[Any], most: int) -> None:
    """Add the replies that came in the same packet as the last one: redis-py gives each in four calls."""
    reader = getattr(getattr(connection, "_parser", None), "_reader", None)
    if not isinstance(reader, hiredis.Reader):
        return
    while len(replies) < most and (reply := reader.gets()) is not NOT_ENOUGH_DATA:
        if isinstance(reply, exceptions.ConnectionError):
            raise reply  # as redis-py does: the server loads its data, or takes no more clients
        replies.append(reply)


async def round_trip(line: Line, commands: Sequence[Command]) -> list[Any]:
    """The replies to the commands, in order, errors among them as values.

    All of them are sent again, once and at once, on a new connection: a restart of the server leaves dead ones behind,
    and appends may be repeated. So are those that went to a server while another one took over.

    Raises:
        NotStoredError: the new connection's server stores nothing just now.
        redis.RedisError: no answer; the commands may have been executed.
        OSError: likewise.
    """
    connection = await line.take()
    try:
        try:
            replies = await exchange(connection, commands)
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            pass
        else:
            if not line.is_former(connection):
                return replies
        await line.renew(connection)
        replies = await exchange(connection, commands)
        if line.is_former(connection):
            raise NotStoredError("readonly")
        return replies
    finally:
        # one that was cancelled while it waited for a reply has closed itself
        line.give(connection)


def refusal(fault: BaseException) -> str:
    """A fixed code for why Redis did not store."""
    if isinstance(fault, NotStoredError):
        return fault.reason
    if is_of_sentinels(fault):
        return "sentinel"
    for kinds, word in _KINDS:
        if isinstance(fault, kinds):
            return word
    if isinstance(fault, ResponseError):
        return _CODES.get(str(fault).partition(" ")[0], "refused")
    return "refused"


_CODES = {
    "LAYOUT": "layout",
    "MISCONF": "disk",
    "NOREPLICAS": "replicas",
    "MASTERDOWN": "readonly",
    "CLUSTERDOWN": "cluster",
    "BUSY": "busy",
}


_KINDS: tuple[tuple[Any, str], ...] = (
    ((TimeoutError, exceptions.TimeoutError), "timeout"),
    (exceptions.OutOfMemoryError, "memory"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.AuthenticationError, "password"),
    (exceptions.MasterDownError, "readonly"),
    ((exceptions.ClusterDownError, exceptions.TryAgainError), "cluster"),
    ((exceptions.ConnectionError, OSError), "connection"),
    (asyncio.CancelledError, "stopping"),
)
