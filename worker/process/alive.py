"""Liveness of a process on this machine: a file that it touches, and that a probe looks at, whatever Redis does."""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Much longer than a sign takes, on a machine that is busy; a probe must not end who only waits for a server.
SILENT_S = 60.0


class Sign(NamedTuple):
    """A process that gave a sign of life: its pid, and how long ago, seconds."""

    pid: int
    ago_s: float


def folder(data_dir: Path) -> Path:
    """Where the files are."""
    return data_dir / "alive"


def give_sign(data_dir: Path, role: str) -> None:
    """Say that this process is alive; a folder that cannot be written says nothing."""
    with suppress(OSError):
        place = folder(data_dir)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{_prefix(role)}{os.getpid()}").touch()


def withdraw(data_dir: Path, role: str) -> None:
    """This process ends on purpose."""
    with suppress(OSError):
        (folder(data_dir) / f"{_prefix(role)}{os.getpid()}").unlink(missing_ok=True)


def signs(data_dir: Path, role: str) -> list[Sign]:
    """The processes of a role that exist and gave a sign once, the latest first; files of others are removed."""
    found = []
    prefix = _prefix(role)
    for path in folder(data_dir).glob(f"{prefix}*"):
        with suppress(OSError, ValueError):
            pid = int(path.name.removeprefix(prefix))
            if _exists(pid):
                found.append(Sign(pid, max(0.0, time.time() - path.stat().st_mtime)))
            else:
                path.unlink()
    return sorted(found, key=lambda sign: sign.ago_s)


def _prefix(role: str) -> str:
    """Containers may share a folder, and number their processes alike."""
    return f"{role}@{socket.gethostname()}-"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
