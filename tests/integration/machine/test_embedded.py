"""The embedded Valkey."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.waiting import until
from worker.errors import OperatorError
from worker.machine import embedded as module
from worker.machine.embedded import Embedded, choose_port
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
    """It listens on loopback, asks for a password, and the files that hold it are private."""
    _, embedded = run(tmp_path / "data")
    once = Retry(NoBackoff(), 0)
    with redis.Redis(port=embedded.port, retry=once) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with client(embedded) as known:
        assert known.config_get("bind")["bind"] == "127.0.0.1"
    assert mode(tmp_path / "data") == 0o700
    assert mode(tmp_path / "data" / "valkey.conf") == mode(address_file(tmp_path / "data")) == 0o600


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
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
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


def test_a_port_in_use_is_not_taken():
    """Somebody who took the former port meanwhile keeps it."""
    port = choose_port(0)
    assert choose_port(port) == port
    with module.socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert choose_port(port) != port


def test_the_server_is_that_of_the_package():
    """The binary that comes with the relay is there and may be run."""
    assert os.access(Path(module.find_server()), os.X_OK)
