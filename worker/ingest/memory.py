"""Memory of the web door: what was stored and answered lately, and how far each stream was by then.

Replication is asynchronous: a server that takes over may lack what was answered with 200: the door appends it again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NamedTuple

# A source and a shard.
InLane = tuple[str, int]

# What an item costs besides its bytes: objects and their places.
_ITEM_BYTES = 200
# Eras of a stream that are remembered when it is in another one.
_MOST_LEFT = 8


class Kept(NamedTuple):
    """Events of one lane that were stored by one script: when (monotonic s), how many, their encoded arguments.

    `origin` is the lane that they were answered for, where that is another one.
    """

    at_s: float
    lane: InLane
    events: int
    pieces: bytes
    origin: InLane | None = None


class Memory:
    """What was stored in the last `keep_s` seconds, in order, within `keep_bytes`; the oldest goes first.

    `heights` are those of the streams (see `era.lua`) by the last answer of their server; `eras` the server's name for
    the time since its last loss, in which that answer holds.
    """

    def __init__(self, keep_s: float, keep_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes
        self._clock = clock
        self._items: deque[Kept] = deque()
        self._bytes = 0
        self.first = 0
        """The number of the oldest item; each has the number behind that of the one before it."""
        self.heights: dict[InLane, int] = {}
        self._unanswered: dict[InLane, int] = {}
        self.eras: dict[InLane, bytes] = {}
        self.behind: dict[InLane, int] = {}
        """Streams that were found below their height: how high they were before the next events came."""
        self.left: dict[InLane, tuple[bytes, ...]] = {}
        """Eras of before, the last one first: a server that was taken for lost may come back."""

    def share(self, parts: int) -> "Memory":
        """An empty memory with one of so many equal parts of this one's bytes."""
        return Memory(self._keep_s, self._keep_bytes // parts, self._clock)

    def move(self, shard: int, to: "Memory") -> None:
        """Hand over all that is known of a shard: its server is another one now."""
        mine = [item for item in self._items if item.lane[1] == shard]
        self._items = deque(item for item in self._items if item.lane[1] != shard)
        self._bytes -= sum(len(item.pieces) + _ITEM_BYTES for item in mine)
        to.receive(mine)
        for lane in [lane for lane in {*self.heights, *self.eras, *self.behind} if lane[1] == shard]:
            for here, there in ((self.heights, to.heights), (self.behind, to.behind)):
                if lane in here:
                    there[lane] = here.pop(lane)
            if lane in self.eras:
                to.eras[lane] = self.eras.pop(lane)
                to.left[lane] = self.left.pop(lane, ())

    def receive(self, items: Iterable[Kept]) -> None:
        """Keep what another memory hands over, as old as it is."""
        for item in items:
            self._items.append(item)
            self._bytes += len(item.pieces) + _ITEM_BYTES

    def keep(self, lane: InLane, events: int, pieces: list[bytes]) -> None:
        """Keep what one script has stored, or knew already."""
        if not self._keep_s:
            return
        now_s = self._clock()
        joined = b"".join(pieces)
        self._items.append(Kept(now_s, lane, events, joined))
        self._bytes += len(joined) + _ITEM_BYTES
        while self._bytes > self._keep_bytes or self._items[0].at_s < now_s - self._keep_s:
            self._drop()
            if not self._items:
                return

    def note_height(self, lane: InLane, height: int, new: int, before: int, on_the_way: int = 0) -> None:
        """Note the height of a stream, by `new` events more just now; `before`: its height when they were sent.

        Up to `on_the_way` events of other trips may be in it that were not answered: if it is lost, they were not.
        """
        if height - new < before:
            self.behind.setdefault(lane, height - new)
            return
        unanswered = self._unanswered.get(lane, 0)
        known = self.heights.get(lane, 0) + unanswered
        if height > known:
            unanswered += max(0, height - new - known)
        else:
            unanswered = max(0, unanswered - new)  # an answer that a later one has overtaken
        # of a trip that broke off, its events come again, and are answered as known ones
        self._unanswered[lane] = unanswered = min(unanswered, on_the_way)
        self.heights[lane] = max(height, known) - unanswered

    def enter(self, lane: InLane, era: bytes, height: int) -> None:
        """Note that a stream was compared: it is in this era, and so high."""
        self.behind.pop(lane, None)
        self._unanswered.pop(lane, None)
        former = self.eras.get(lane, era)
        if former != era:
            left = (former, *self.left.get(lane, ()))
            self.left[lane] = tuple(one for one in left if one != era)[:_MOST_LEFT]
        self.eras[lane], self.heights[lane] = era, height

    def expire(self) -> None:
        """Drop what is too old. To be called while the server is well: while it is away, everything stays."""
        oldest_s = self._clock() - self._keep_s
        while self._items and self._items[0].at_s < oldest_s:
            self._drop()

    def _drop(self) -> None:
        self._bytes -= len(self._items.popleft().pieces) + _ITEM_BYTES
        self.first += 1

    def items(self, number: int, most: int) -> list[Kept]:
        """Up to so many items from this number on, in order."""
        start = max(0, number - self.first)
        return list(islice(self._items, start, start + most))
