"""The connections of the web door's round trips."""

import asyncio
from types import SimpleNamespace

from worker.ingest.roundtrip import Line, round_trip


class Connection:
    """One that takes a moment to close."""

    host, port = "redis-1", 6379

    def __init__(self):
        self.is_open, self.sent = False, 0
        self._opened = None

    @property
    def is_connected(self):
        return self.is_open

    def register_connect_callback(self, opened):
        self._opened = opened

    async def connect(self):
        self.is_open = True
        self._opened(self)

    async def send_packed_command(self, _command):
        self.sent += 1
        await asyncio.sleep(0)

    async def can_read(self):
        return False

    async def read_response(self):
        return b"stored"

    async def disconnect(self):
        await asyncio.sleep(0)
        self.is_open = False


class Pool:
    """Opens connections, as redis-py's does."""

    def __init__(self):
        self.primary = ("redis-1", 6379)

    async def get_connection(self):
        return Connection()

    async def ensure_connection(self, connection):
        if not connection.is_open:
            await connection.connect()

    async def get_master_address(self):
        return self.primary


def line_to(names):
    """A line whose connections meet the servers of these names, one after the other."""
    found = iter(names)

    async def meet(connection):
        line.note_server(connection, next(found))

    line = Line(SimpleNamespace(connection_pool=Pool()), meet)
    return line


def test_all_connections_are_of_the_server_that_was_met_last():
    """Two take writes while Sentinels make up their minds: one to the former is opened again before it is used."""

    async def scenario():
        line = line_to([b"former", b"new", b"new"])
        first = await line.take()
        second = await line.take()
        assert (line.is_former(first), line.is_former(second)) == (True, False)
        line.give(first)
        assert await line.take() is first
        assert not line.is_former(first)

    asyncio.run(scenario())


def test_what_a_former_server_took_meanwhile_is_sent_to_the_new_one():
    """Its answer came when another server had been met already: nobody would look there again."""

    async def scenario():
        line = line_to([b"former", b"new", b"new"])
        trip = asyncio.create_task(round_trip(line, [[b"*1\r\n"]]))
        await asyncio.sleep(0)
        other = await line.take()
        assert await trip == [b"stored"]
        line.give(other)
        used = [await line.take() for _ in range(2)]
        assert sorted(one.sent for one in used) == [0, 2]

    asyncio.run(scenario())


def test_a_server_that_the_sentinels_no_longer_name_is_left():
    """It may take writes for seconds before it hears of it, and all of them will be gone."""

    async def scenario():
        line = line_to([b"one", b"two"])
        taken = await line.take()
        line.give(taken)
        await line.follow()
        assert taken.is_open
        line._pool.primary = ("redis-2", 6379)
        await line.follow()
        assert not taken.is_open

    asyncio.run(scenario())


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
