"""The embedded Valkey."""

import os
import signal
import stat
import subprocess
import sys

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.processes import started
from tests.support.waiting import until
from worker.errors import OperatorError
from worker.machine import embedded as module
from worker.machine.binary import Server, find_server
from worker.machine.embedded import Embedded
from worker.machine.supervisor import Supervisor
from worker.store.connect import address_file


@pytest.fixture
def run():
    """Starts embedded servers; each with its supervisor."""
    running = []

    def start(folder):
        supervisor = Supervisor(lambda _change: None)
        embedded = Embedded(folder)
        running.append((supervisor, embedded))
        supervisor.start(embedded.open())
        embedded.wait_ready(lambda: supervisor.is_alive("valkey"), lambda: False)
        embedded.announce()
        return supervisor, embedded

    yield start
    for supervisor, embedded in running:
        supervisor.stop()
        embedded.close()


def client(embedded):
    return redis.Redis.from_url(embedded.url, decode_responses=True)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_it_keeps_what_was_stored_over_a_kill(run, tmp_path):
    """After kill -9 of the server a new one has everything, at the same address."""
    supervisor, embedded = run(tmp_path)
    with client(embedded) as before:
        before.set("kept", "yes")
    url = embedded.url
    os.kill(supervisor.pids()["valkey"], signal.SIGKILL)

    def serves_again():
        supervisor.poll()
        return embedded.is_ready()

    until(serves_again, "the server is started again")
    with redis.Redis.from_url(url, decode_responses=True) as after:
        assert after.get("kept") == "yes"


def test_its_settings_keep_accepted_events(run, tmp_path):
    """Each write is on disk before it is answered, and a full server throws nothing away."""
    _, embedded = run(tmp_path)
    with client(embedded) as known:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
        assert {name: known.config_get(name)[name] for name in wanted} == wanted
        assert int(known.config_get("maxmemory")["maxmemory"]) > 0


def test_it_is_for_its_owner_only(run, tmp_path):
    """No port of loopback, which any local user could take while it is down: a socket in a folder of 0700."""
    _, embedded = run(tmp_path / "data")
    with client(embedded) as known:
        known.set("payload", "x")
        assert known.config_get("port")["port"] == "0"
    assert embedded.socket.parent == tmp_path / "data"
    assert modes(tmp_path / "data") <= {0o600, 0o700}
    assert mode(tmp_path / "data") == 0o700
    once = Retry(NoBackoff(), 0)
    path = str(embedded.socket)
    with redis.Redis(unix_socket_path=path, retry=once) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def modes(folder):
    return {mode(path) for path in folder.rglob("*")}


def test_a_folder_that_others_could_read_is_tightened(run, tmp_path):
    """Mkdir by hand, and a release that left payloads 0644: neither stays readable."""
    folder = tmp_path / "data"
    supervisor, embedded = run(folder)
    with client(embedded) as known:
        known.set("kept", "yes")
    supervisor.stop()
    embedded.close()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    _, again = run(folder)
    assert mode(folder) == 0o700
    assert modes(folder) <= {0o600, 0o700}
    with client(again) as known:
        assert known.get("kept") == "yes"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    """Its owner could read every event, or put another server's socket in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, 12345, -1)
    with pytest.raises(OperatorError, match=r"belongs to another user \(uid 12345\).*chown"):
        Embedded(folder).open()


def test_a_folder_with_a_long_name_has_its_socket_elsewhere(run, tmp_path):
    """A socket's path has 100 letters; a private folder of its own is made, used again after a crash, and removed."""
    folder = tmp_path / ("long" * 30)
    supervisor, embedded = run(folder)
    short = embedded.socket.parent
    assert short != folder
    assert mode(short) == 0o700
    again = Embedded(folder)
    assert module.read_former(folder).socket == embedded.socket
    assert again.socket == folder
    supervisor.stop()
    embedded.close()
    assert not short.exists()


def test_the_address_is_there_while_it_runs(run, tmp_path):
    """Other commands find it, and find nothing after its end."""
    supervisor, embedded = run(tmp_path)
    assert address_file(tmp_path).read_text() == embedded.url + "\n"
    supervisor.stop()
    embedded.close()
    assert not address_file(tmp_path).exists()


def test_a_second_owner_is_told_who_has_the_folder(run, tmp_path, monkeypatch):
    """Two servers on one file would ruin it."""
    monkeypatch.setattr(module, "_LOCK_WAIT_S", 0.1)
    run(tmp_path)
    with pytest.raises(OperatorError, match=rf"another `relay up` \(process {os.getpid()}\) uses .*--data-dir"):
        Embedded(tmp_path).open()


def test_a_server_that_outlives_its_owner_keeps_the_folder(run, tmp_path, monkeypatch):
    """The lock is the server's too, so nobody starts a second one beside it."""
    monkeypatch.setattr(module, "_LOCK_WAIT_S", 0.1)
    _, embedded = run(tmp_path)
    os.close(embedded._lock_fd)  # as the owner's death would
    embedded._lock_fd = -1
    with pytest.raises(OperatorError, match="another `relay up`"):
        Embedded(tmp_path).open()


def test_leftovers_of_a_killed_owner_do_no_harm(run, tmp_path):
    """A stale address, lock and half a command at the end of the file: it starts, with what was whole."""
    code = """
import sys, time
from pathlib import Path
from worker.machine.embedded import Embedded
from worker.machine.supervisor import Supervisor
from worker.store.connect import address_file
import redis
supervisor, embedded = Supervisor(print), Embedded(Path(sys.argv[1]))
supervisor.start(embedded.open())
embedded.wait_ready(lambda: True, lambda: False)
embedded.announce()
redis.Redis.from_url(embedded.url).set("kept", "yes")
print("stored", flush=True)
time.sleep(60)
"""
    with started([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "stored\n"
        owner.kill()
    stale = address_file(tmp_path).read_text().strip()
    (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    until(lambda: not _answers(stale), "the lifeline has ended the server")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nhal")
    _, embedded = run(tmp_path)
    assert embedded.url == stale, "a client that was left behind goes on"
    with client(embedded) as after:
        assert after.get("kept") == "yes"


def _answers(url):
    try:
        with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as one:
            return one.ping()
    except redis.RedisError:
        return False


def test_a_ruined_file_is_an_error_with_the_servers_words(tmp_path):
    """A file that cannot be read stops the start with one line, not with endless restarts."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.manifest").write_text("no manifest\n")
    supervisor, embedded = Supervisor(lambda _change: None), Embedded(tmp_path)
    try:
        supervisor.start(embedded.open())
        with pytest.raises(OperatorError, match=r"does not start: .*manifest"):
            embedded.wait_ready(lambda: supervisor.is_alive("valkey"), lambda: False)
    finally:
        supervisor.stop()
        embedded.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    """A file in the place of the folder is reported in one line."""
    (tmp_path / "data").write_text("")
    with pytest.raises(OperatorError, match=r"data folder .*data cannot be used"):
        Embedded(tmp_path / "data").open()


def program(folder, name, says, runs=""):
    """A program on the PATH that says which server it is."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{says}" && exit 0\nexec {runs} "$@"\n')
    path.chmod(0o755)
    return path


def test_the_server_of_the_package_is_there():
    """The binary that comes with the relay may be run, and says its version."""
    server = find_server()
    assert os.access(server.path, os.X_OK)
    assert server.version >= (7, 0, 0)


def test_a_server_of_the_system_comes_first(run, tmp_path, monkeypatch):
    """It gets the system's updates; the folder notes which one it is."""
    own = find_server().path
    path = program(tmp_path / "bin", "valkey-server", "Valkey server v=99.1.0 sha=0:0", own)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    _, embedded = run(tmp_path / "data")
    assert str(embedded.server) == f"Valkey 99.1.0 ({path})"
    assert module.read_former(tmp_path / "data").writer == Server("Valkey", (99, 1, 0), "")


def test_an_old_server_of_the_system_is_left_alone(tmp_path, monkeypatch):
    """Streams of Redis 6 do not count what is read."""
    program(tmp_path / "bin", "redis-server", "Redis server v=6.2.14 sha=0:0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert find_server().product == "Valkey"
    assert find_server().is_packaged


def test_a_folder_keeps_a_server_that_can_read_it(tmp_path, monkeypatch):
    """A Redis 7 that is installed later cannot read what a Valkey 9 has written: the relay's own goes on."""
    program(tmp_path / "bin", "redis-server", "Redis server v=7.0.15 sha=0:0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert find_server().product == "Redis"
    packaged = find_server(Server("Valkey", (9, 0, 0), ""))
    assert packaged.is_packaged
    assert find_server(Server("Redis", (7, 0, 10), "")).product == "Redis"
    with pytest.raises(OperatorError, match=r"put Redis 8\.0\.0 or newer on the PATH"):
        find_server(Server("Redis", (8, 0, 0), ""))
