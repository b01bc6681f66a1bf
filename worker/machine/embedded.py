"""The embedded Valkey of `relay up` and the demo: one server on a socket, on one folder, for one owner."""

import contextlib
import fcntl
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import msgspec
import redis

from worker.errors import OperatorError
from worker.machine.binary import Server, find_server
from worker.machine.folder import drop_socket, make_private, socket_path, write_private
from worker.machine.supervisor import Program
from worker.store.address import read_address
from worker.store.connect import address_file, open_once

_CONF = "valkey.conf"
_LOG = "valkey.log"
# How long a new owner waits for the lock: the lifeline of a killed one needs a moment to end its server.
_LOCK_WAIT_S = 3.0
# What releases ran that did not write down which server it is.
_FIRST = Server("Valkey", (9, 0, 0), "")

_SETTINGS = """\
# Written by `relay up` at each start.
# server {product} {version}
# A port of loopback is for every user of this machine, and can be taken by one while this server is down.
port 0
unixsocket {socket}
unixsocketperm 700
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
        self.socket = self.folder
        self.server: Server | None = None
        self._password = ""
        self._lock_fd = -1

    @property
    def url(self) -> str:
        """Database 0, with the password."""
        return f"unix://:{self._password}@{quote(str(self.socket))}?db=0"

    def open(self) -> Program:
        """Take the folder, write the server's configuration; the program to run.

        Raises:
            OperatorError: another owner has the folder, it cannot be written, or there is no server for this platform.
        """
        try:
            make_private(self.folder)
            self._lock()
            former = read_former(self.folder)
            self.server = find_server(former.writer)
            self.socket = socket_path(self.folder, former.socket)
            self._password = former.password or secrets.token_hex(24)
            conf = _SETTINGS.format(
                product=self.server.product,
                version=self.server.number,
                socket=f'"{self.socket}"',
                password=self._password,
                memory_bytes=machine_memory_bytes() // 2,
            )
            write_private(self.folder / _CONF, conf)
        except OSError as fault:
            why = fault.strerror or type(fault).__name__
            raise OperatorError(
                f"the data folder {self.folder} cannot be used ({why}); choose one with --data-dir"
            ) from None
        # the server holds the lock too: it may outlive its owner for a moment, and two on one file would ruin it
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        fds = (self._lock_fd,)
        # its files hold payloads, and it would make them readable for everybody
        argv = ("/bin/sh", "-c", 'umask 077; exec "$0" "$1"', self.server.path, _CONF)
        return Program("valkey", argv, env, 10.0, self.folder / _LOG, self.folder, fds)

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
            drop_socket(self.folder, self.socket)
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

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self.folder / _LOG).read_text("utf-8", "replace").strip().splitlines()
            # the lines before the last few speak of a start that was well
            bad = [line for line in lines[-5:] if " # " in line or "rror" in line]
            if bad or lines:
                return (bad or lines)[-1].split(" # ")[-1].strip()[:200]
        return "it left no word"


class Former(msgspec.Struct, frozen=True):
    """What the last owner of a folder chose, so that a client may go on after a crash; and who wrote the folder."""

    socket: Path | None = None
    password: str = ""
    writer: Server | None = None


def read_former(folder: Path) -> Former:
    """What a folder says of its last owner."""
    try:
        text = (folder / _CONF).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return Former()
    where = re.search(r'^unixsocket "([^"\n]+)"$', text, re.MULTILINE)
    password = re.search(r"^requirepass ([0-9a-f]{16,})$", text, re.MULTILINE)
    spoken = re.search(r"^# server (Valkey|Redis) (\d+)\.(\d+)\.(\d+)$", text, re.MULTILINE)
    writer = None
    if (folder / "appendonlydir").is_dir():  # else nothing was written yet
        # without a name it was the server of an earlier release, which came with it
        writer = Server(spoken[1], (int(spoken[2]), int(spoken[3]), int(spoken[4])), "") if spoken else _FIRST
    return Former(Path(where[1]) if where else None, password[1] if password else "", writer)


def machine_memory_bytes() -> int:
    """The memory of this machine, or of the container it plays; 0 when neither is known."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
            sizes.append(int(Path(limit).read_text("ascii")))
    return max(0, min(sizes))
