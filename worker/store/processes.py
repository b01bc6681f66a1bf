"""Heartbeats: which processes of the relay are alive, and what each of them runs."""

from collections import deque
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
import redis

from worker.store.clock import server_ms
from worker.store.keys import PROCESSES
from worker.store.scripts import script

Role = Literal["web", "worker", "child", "beat", "console", "up", "command"]

# After this long without a heartbeat a process is dead or cannot reach Redis; after an hour it is forgotten.
SILENT_MS = 15_000
_FORGOTTEN_MS = 3_600_000
# Of a process's own heartbeats so many are remembered: a minute's.
_OWN_BEATS = 60


class Process(msgspec.Struct, frozen=True):
    """A process: its host, pid and role, its version, the revision it runs and since when (Unix ms).

    `owner` is who it takes its configuration from, `missing` how many secrets of it are missing there, `unserved` the
    integrations that it does not serve for that, `shards` how many shards it serves (0: it does not say), `instance` a
    name that no other process ever has. `broken` is the first error of its integrations file as that is now (empty:
    none), `unpublished` that file where it has another text than the revision (empty: it has not). `silent_ms` is how
    long ago it was last alive, by Redis's clock.
    """

    host: str
    pid: int
    role: str
    version: str
    revision: int
    since_ms: int
    owner: str = "store"
    missing: int = 0
    shards: int = 0
    silent_ms: int = 0
    instance: str = ""
    broken: str = ""
    unpublished: str = ""
    unserved: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        """Whether its last heartbeat is recent."""
        return self.silent_ms < SILENT_MS


_DECODER = msgspec.json.Decoder(Process)


class Processes:
    """The heartbeats in Redis: one hash, a field a process."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._beat = client.register_script(script("heartbeat"))
        self.own_beats: deque[int] = deque(maxlen=_OWN_BEATS)  # when this process was last alive, by Redis's clock (ms)

    def beat(self, process: Process) -> None:
        """Note that a process is alive."""
        now_ms: Any = self._beat(keys=[PROCESSES], args=[_name(process), msgspec.json.encode(process)])
        self.own_beats.append(int(now_ms))

    def beats(self) -> dict[str, int]:
        """When each process was last alive (ms, by Redis's clock), by its instance."""
        return {process.instance: beat_ms for _, beat_ms, process in self._read()}

    def leave(self, process: Process) -> None:
        """Note that a process ended on purpose."""
        self._redis.hdel(PROCESSES, _name(process))

    def all(self) -> list[Process]:
        """All processes with a heartbeat within the last hour, by role, host and pid."""
        now_ms = server_ms(self._redis)
        found, gone = [], []
        for field, beat_ms, process in self._read():
            silent_ms = max(0, now_ms - beat_ms)
            if silent_ms > _FORGOTTEN_MS or (process.role == "child" and silent_ms > SILENT_MS):
                gone.append(field)
            else:
                found.append(msgspec.structs.replace(process, silent_ms=silent_ms))
        if gone:
            self._redis.hdel(PROCESSES, *gone)
        return sorted(found, key=lambda one: (one.role, one.host, one.pid))

    def _read(self) -> Iterator[tuple[bytes, int, Process]]:
        """Each heartbeat: its field, when it was (ms, by Redis's clock), whose."""
        for field, raw in self._redis.hgetall(PROCESSES).items():
            stamp, _, about = raw.partition(b" ")
            try:
                yield field, int(stamp), _DECODER.decode(about)
            except (msgspec.DecodeError, ValueError):  # of another release
                continue


def _name(process: Process) -> str:
    return f"{process.host}/{process.pid}/{process.role}"
