"""A server that takes connections and answers nothing, as one that is frozen: how often it is asked."""

import socket
import threading
from contextlib import suppress

import pytest
import redis

from tests.support.waiting import until
from worker.store.address import read_address
from worker.store.connect import open_client


class Silent:
    """Takes connections; answers the first `well` commands of all with +OK, and nothing afterwards."""

    def __init__(self):
        self.connections = []
        self.well = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with suppress(OSError):
            while received := connection.recv(65_536):
                for _ in range(received.count(b"*")):
                    if self.well:
                        self.well -= 1
                        connection.sendall(b"+OK\r\n")

    def close(self):
        for one in (self._server, *self.connections):
            one.close()


@pytest.fixture
def silent():
    server = Silent()
    yield server
    server.close()


def client_of(server, timeout_s="0.2"):
    return open_client(read_address(f"redis://127.0.0.1:{server.port}/0?socket_timeout={timeout_s}", "RELAY_REDIS_URL"))


def ask(client):
    with pytest.raises(redis.RedisError):
        client.get("anything")


def test_a_server_that_answers_nothing_is_tried_four_times(silent):
    """It was twenty times, ten seconds each: a command at a frozen Redis said nothing for minutes."""
    ask(client_of(silent))
    until(lambda: len(silent.connections) >= 4, "the last one is seen")
    assert len(silent.connections) == 4


def test_a_server_that_falls_silent_is_tried_four_times(silent):
    """The connection there was, and three new ones."""
    client = client_of(silent)
    silent.well = 100
    client.set("a", "b")
    before, silent.well = len(silent.connections), 0
    ask(client)
    until(lambda: len(silent.connections) >= before + 3, "the last one is seen")
    assert len(silent.connections) == before + 3


def test_what_is_late_is_not_tried_again_and_leaves_no_answer_behind(silent):
    """Its connection is closed: an answer that comes after all would be taken for another command's."""
    client = client_of(silent)
    silent.well = 100
    client.set("a", "b")
    before, silent.well = len(silent.connections), 0
    (connection,) = client.connection_pool._available_connections
    connection.retry._latest_s = 0
    ask(client)
    assert len(silent.connections) == before
    assert not connection.is_connected
