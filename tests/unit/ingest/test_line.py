"""The connections of the web door's round trips."""

import asyncio
from types import SimpleNamespace

from worker.ingest.roundtrip import Line


class Connection:
    """One that takes a moment to close."""

    def __init__(self):
        self.is_open = False

    def register_connect_callback(self, _callback):
        """Nobody hears of it."""

    async def disconnect(self):
        await asyncio.sleep(0)
        self.is_open = False


class Pool:
    """Opens connections, as redis-py's does."""

    async def get_connection(self):
        return Connection()

    async def ensure_connection(self, connection):
        connection.is_open = True


def test_no_trip_takes_a_connection_that_is_to_be_closed():
    """Its unread replies would be taken for those of the trip."""

    async def scenario():
        line = Line(SimpleNamespace(connection_pool=Pool()))
        suspects = [await line.take() for _ in range(3)]
        for one in suspects:
            line.give(one)
        closing = asyncio.create_task(line.hang_up())
        await asyncio.sleep(0)
        taken = await line.take()
        await closing
        assert taken not in suspects
        assert not any(one.is_open for one in suspects)
        line.give(taken)
        again = [await line.take() for _ in range(4)]
        assert {*again} == {taken, *suspects}

    asyncio.run(scenario())
