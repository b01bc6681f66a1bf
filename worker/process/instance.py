"""Instance of a process: a name that no other process ever has, and whether that one still runs on this machine."""

import functools
import os
import uuid
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
# In /proc/PID/stat, counted behind the program's name: the state, and the start (ticks since the machine's).
_STATE, _START = 0, 19
_ENDED = {"Z", "X", "x"}


def instance() -> str:
    """The name of this process: `machine.pid.start`; a machine is one boot, one space of pids and one user."""
    return _instance_of(os.getpid())


def new_token() -> str:
    """A token for a lease, which says who holds it: `chance@instance`."""
    return f"{uuid.uuid4().hex}@{instance()}"


def instance_of(token: str) -> str:
    """The process that made a token; empty for a token of an earlier release."""
    return token.partition("@")[2]


def is_running(name: str) -> bool | None:
    """Whether a process runs, be it frozen; None when it is of another machine, or this one cannot say."""
    machine, _, rest = name.partition(".")
    pid, _, start = rest.partition(".")
    if not start or not pid.isdigit() or machine != _machine():
        return None
    try:
        facts = _facts_of(int(pid))
    except FileNotFoundError:
        return False
    except (OSError, IndexError):
        return None
    return facts[_START] == start and facts[_STATE] not in _ENDED


@functools.cache  # for each pid: a forked child is another process
def _instance_of(pid: int) -> str:
    with suppress(OSError, IndexError):
        return f"{_machine()}.{pid}.{_facts_of(pid)[_START]}"
    return uuid.uuid4().hex  # no /proc here: heartbeats alone tell


@functools.cache
def _machine() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    pids = (_PROC / "self/ns/pid").readlink()
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{boot} {pids} {os.getuid()}").hex[:16]


def _facts_of(pid: int) -> list[str]:
    stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    return stat.rpartition(")")[2].split()
