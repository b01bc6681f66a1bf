"""How far back the past reaches, and how its archive fares."""

import time

import msgspec
import redis

from worker.store.archive_state import ArchiveRecord, ArchiveState
from worker.store.entry_id import received_ms
from worker.store.tally import Tallies


class Past(msgspec.Struct, frozen=True):
    """When the oldest event that is kept was received (Unix ms; None: none is kept), and the archive's state."""

    since_ms: int | None
    archive: ArchiveState

    @property
    def reach_s(self) -> float:
        """How far back the streams reach, seconds."""
        return 0.0 if self.since_ms is None else max(0.0, time.time() - self.since_ms / 1000)


def past(client: redis.Redis, tallies: Tallies) -> Past:
    """The past as it is now."""
    firsts = [received_ms(one.first) for one in tallies.values() if one.first]
    return Past(min(firsts, default=None), ArchiveRecord(client).read())
