"""Posts: requests whose events wait in the door, in the parts that they have for each lane."""

from collections.abc import Callable, Iterable

from worker.errors import NotStoredError
from worker.ingest.arguments import PIECES
from worker.ingest.memory import InLane
from worker.ingest.spreading import ShardOf, spread_pieces

# A script blocks the server: keep each below a few milliseconds.
EVENTS_PER_SCRIPT = 200


# Hears once what became of a request: how many of its events were new, or that they may not be stored.
Tell = Callable[[int | NotStoredError], object]


class Post:
    """The events of one request: when they came, how many have no answer yet, how many were new."""

    __slots__ = ("_tell", "born_s", "is_over", "left", "new")

    def __init__(self, tell: Tell, born_s: float, left: int) -> None:
        self._tell = tell
        self.born_s = born_s
        self.left = left
        self.new = 0
        self.is_over = False

    def count(self, events: int, new: int) -> bool:
        """Note the answer to some events; whether it was the last one, and anybody still waits for it."""
        self.left -= events
        self.new += new
        if self.left or self.is_over:
            return False
        self.is_over = True
        return True

    def tell(self) -> None:
        """Say how many events were new, when all of them are stored."""
        self._tell(self.new)

    def fail(self, reason: str) -> None:
        """The request cannot be answered with 200 any more."""
        if not self.is_over:
            self.is_over = True
            self._tell(NotStoredError(reason))

    def end(self, _done: object) -> None:
        """Nobody waits for the answer any more."""
        self.is_over = True


# What one request has for one lane, in order, as `encode_events` gave it.
Part = tuple[Post, list[bytes]]
Parts = list[Part]
# What a trip carries of which lanes, and the lanes of which a part waits until it is back.
Trip = tuple[list[tuple[InLane, Parts]], set[InLane]]


def pieces_of(parts: Parts) -> list[bytes]:
    """The pieces of all parts, in order."""
    if len(parts) == 1:
        return parts[0][1]
    return [piece for _, pieces in parts for piece in pieces]


def split(parts: Parts) -> tuple[Parts, Parts]:
    """What one script carries of a lane, and what is left; the request on the border goes with both."""
    room = EVENTS_PER_SCRIPT * PIECES
    for n, (post, pieces) in enumerate(parts):
        if len(pieces) > room:
            taken = [*parts[:n], (post, pieces[:room])] if room else parts[:n]
            return taken, [(post, pieces[room:]), *parts[n + 1 :]]
        room -= len(pieces)
    return parts, []


def spread_parts(lanes: Iterable[tuple[InLane, Parts]], shard_of: ShardOf) -> dict[InLane, Parts]:
    """Parts by the lanes that their events are of now, in order; without those of requests that were answered."""
    found: dict[InLane, Parts] = {}
    for (source, _), parts in lanes:
        for post, pieces in parts:
            if post.is_over:
                continue
            for lane, mine in spread_pieces(source, pieces, shard_of).items():
                found.setdefault(lane, []).append((post, mine))
    return found
