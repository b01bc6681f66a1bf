"""Holders of leases that lost them: one that is alive says so, and of one that is silent, whether its process ended.

A lease may end while its holder lives: Redis was slower than the lease, or the process was frozen. The lane's next
holder cannot know; it counts a crash, which makes batches smaller and does no harm. Before an event is buried for its
crashes, though, each of them must be certain: `may_live` says of which holders it is not.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import redis

from worker.errors import LeaseLostError
from worker.process.broker_link import is_demoted
from worker.process.instance import instance_of, is_running
from worker.store.lane import Lane
from worker.store.processes import Processes
from worker.store.scripts import script
from worker.store.taken import InHand, Vanished

# A process elsewhere is dead when this one has had so many heartbeats, one a second, since the other's last. They are
# counted rather than seconds: while Redis is slow or away nobody has any.
SILENT_BEATS: Final = 15
# A holder hangs when its process has heartbeats for so long after the lease was lost and it still says nothing: nothing
# that it may wait for takes longer.
HANGS_MS: Final = 30_000
# A process that is frozen for so long counts as dead; one that hangs is ended by then (`HANGS_S` of the tasks).
FROZEN_MS: Final = 600_000
_MOST_UNSAID: Final = 1000


class Holders:
    """The holders of this process, which say that they live, and what it knows of others."""

    def __init__(
        self,
        client: redis.Redis,
        processes: Processes,
        is_running: Callable[[str], bool | None] = is_running,
    ) -> None:
        self._survive = client.register_script(script("survive"))
        self._processes = processes
        self._is_running = is_running
        self._unsaid: deque[tuple[Lane, InHand, str]] = deque(maxlen=_MOST_UNSAID)
        self._speaking = threading.Lock()

    @contextmanager
    def surviving(self, lane: Lane, in_hand: InHand, token: str) -> Iterator[None]:
        """The work of a holder: when it ends because the lease, or Redis, is gone, that will be said."""
        try:
            yield
        except LeaseLostError:
            self.survived(lane, in_hand, token)
            raise
        except (redis.RedisError, OSError) as fault:
            # another refusal may be the event's doing, and then it must be found
            if not isinstance(fault, redis.ResponseError) or is_demoted(fault):
                self.survived(lane, in_hand, token)
            raise

    def survived(self, lane: Lane, in_hand: InHand, token: str) -> None:
        """Note that a holder lives and has let go of its lane; it is said at the next heartbeat."""
        self._unsaid.append((lane, in_hand, token))

    def speak(self) -> None:
        """Say what is to be said, again until Redis has heard it. Before each heartbeat: those prove then that it was.

        Raises:
            redis.RedisError: Redis did not hear it; the next call says it again.
        """
        with self._speaking:
            while self._unsaid:
                lane, in_hand, token = self._unsaid[0]
                self._survive(keys=[lane.key("lease"), lane.key(in_hand)], args=[token])
                self._unsaid.popleft()

    def may_live(self, vanished: Sequence[Vanished]) -> list[Vanished]:
        """Those that may be alive: their process is frozen or cannot reach Redis, or has had no time to say a word."""
        known = [one for one in vanished if instance_of(one.token)]  # earlier releases say nothing: as they counted
        beats = self._processes.beats() if known else {}
        return [one for one in known if self._may_live(one, beats)]

    def _may_live(self, one: Vanished, beats: dict[str, int]) -> bool:
        process, own = instance_of(one.token), list(self._processes.own_beats)
        last = beats.get(process, 0)
        running = self._is_running(process)
        if running is False or (own and own[-1] - one.since_ms > FROZEN_MS):
            return False
        if last - one.since_ms > HANGS_MS and _count_after(own, one.since_ms) >= SILENT_BEATS:
            return False
        return running is True or _count_after(own, last or one.since_ms) < SILENT_BEATS


def _count_after(beats: Sequence[int], since_ms: int) -> int:
    return sum(beat > since_ms for beat in beats)
