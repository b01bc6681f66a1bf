"""Queue of the web door: events that wait for the next trip, by lane and in order."""

import asyncio
from collections.abc import Sequence

from worker.ingest.arguments import Incoming, encode_events
from worker.ingest.memory import InLane
from worker.ingest.posts import Parts, Post, Trip, split
from worker.ingest.roundtrip import refusal
from worker.process.eventlog import RareLog

log = RareLog(__name__, every_s=1)


class Queue:
    """What waits. `wait_s` is how long a request may wait here: a trip of its own comes after that.

    A lane is torn while a part of one of its requests is under way and the rest waits: nothing may overtake that.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self.lanes: dict[InLane, Parts] = {}
        self._torn: set[InLane] = set()
        self.under_way = 0
        """Trips that were boarded and have not landed."""

    def add(self, post: Post, events: Sequence[Incoming]) -> None:
        """Let the events of a request wait."""
        for lane, mine in encode_events(events).items():
            waiting = self.lanes.get(lane)
            if waiting is None:
                self.lanes[lane] = [(post, mine)]
            else:
                waiting.append((post, mine))

    def board(self) -> Trip | None:
        """What the next trip carries: of each lane, in order, as much as one script may hold; None: nothing."""
        trip: list[tuple[InLane, Parts]] = []
        torn: set[InLane] = set()
        waiting, self.lanes = self.lanes, {}
        for lane, parts in waiting.items():
            if lane in self._torn:
                self.lanes[lane] = parts
                continue
            taken, left = split(parts)
            trip.append((lane, taken))
            if left:
                self.lanes[lane] = left
                torn.add(lane)
                self.expire(lane)
        if not trip:
            return None
        self._torn |= torn
        self.under_way += 1
        return trip, torn

    def land(self, torn: set[InLane]) -> None:
        """A trip is back, and all of its answers are noted."""
        self.under_way -= 1
        self._torn -= torn

    def expire(self, lane: InLane) -> None:
        """Fail what would be answered too late: several trips are queued and Redis is slow."""
        latest_s = asyncio.get_running_loop().time() - self._wait_s
        late = [part for part in self.lanes[lane] if part[0].born_s < latest_s]
        if late:
            self.fail(lane, late, TimeoutError())

    def fail(self, lane: InLane, parts: Parts, fault: BaseException) -> None:
        """Fail the requests of these events, and drop what waits of them: stored now, it would overtake the rest."""
        reason = refusal(fault)
        if reason == "refused":
            log.error("append_refused", fault=type(fault).__name__)
        for post, _ in parts:
            post.fail(reason)
        waiting = [part for part in self.lanes.pop(lane, []) if not part[0].is_over]
        if waiting:
            self.lanes[lane] = waiting
