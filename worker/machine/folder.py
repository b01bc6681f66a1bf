"""The data folder: for its owner alone, with a path for the server's socket that is short enough."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from worker.errors import OperatorError

# Of sockaddr_un: 108 bytes on Linux, 104 on macOS and the BSDs, with a zero at the end.
LONGEST_SOCKET_PATH = 103
_SOCKET = "valkey.sock"
# What a server writes: payloads, all of it.
_SERVERS_OWN = ("appendonlydir", "*.aof", "*.rdb", "valkey.conf", "valkey.log", "redis.url", "up.lock")


def make_private(folder: Path) -> None:
    """Make the folder, or tighten one that was made before by other means.

    Raises:
        OperatorError: it belongs to somebody else, who could read what is in it, or replace it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise OperatorError(
            f"the data folder {folder} belongs to another user (uid {owner}), who could read every event in it: "
            f"chown it to uid {os.geteuid()}, or choose another with --data-dir"
        )
    folder.chmod(0o700)
    for pattern in _SERVERS_OWN:
        for path in folder.glob(pattern):
            _tighten(path)
            if path.is_dir() and not path.is_symlink():
                for part in path.iterdir():
                    _tighten(part)


def _tighten(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return  # it is somewhere else, and its owner's own affair
    if found.st_mode & 0o077:
        path.chmod(0o700 if stat.S_ISDIR(found.st_mode) else 0o600)


def socket_path(folder: Path, former: Path | None) -> Path:
    """Where the server's socket is: in the folder, or in a private one of its own when that path is too long.

    `former` is the path of last time, so that a client may go on after a crash.
    """
    inside = folder / _SOCKET
    # the server's configuration has marks of its own
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH and not {'"', "\\", "\n", "\r"} & set(str(inside)):
        return inside
    if former is not None and _is_private(former.parent) and len(os.fsencode(former)) <= LONGEST_SOCKET_PATH:
        return former
    return Path(tempfile.mkdtemp(prefix="relay-")) / _SOCKET  # 0700, under a name that nobody could take before


def drop_socket(folder: Path, path: Path) -> None:
    """Remove a socket that is not in the folder, with the folder that was made for it."""
    if path.parent != folder:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            path.parent.rmdir()


def _is_private(folder: Path) -> bool:
    """Whether nobody else can have put anything in it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
