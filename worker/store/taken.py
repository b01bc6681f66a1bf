"""What a lease found: the cursor, the entries behind it, and how earlier holders of the lane vanished."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from worker.store.entries import Entry

# Most entries read after one, two, three and more unexplained deaths of a lane's holders.
CAUTIOUS_EVENTS = (50, 5, 1)
# Most dead letters of a replay's turn after one, two and more deaths of workers that had letters of the lane in hand.
CAUTIOUS_LETTERS = (10, 1)

Phase = Literal["mapping", "sending"]
# The key of what a lane's holder has in hand: events, or a replay's dead letters.
InHand = Literal["flight", "inhand"]


class Vanished(msgspec.Struct, frozen=True):
    """A holder that vanished with one event alone in hand: its token, the phase, since when it is missed (ms)."""

    token: str
    phase: Phase
    since_ms: int


class Taken(msgspec.Struct):
    """A lease and what it found.

    `deaths` counts earlier holders that vanished, `until` is the last entry of the batch they vanished in. `alone` is
    the entry that was tried alone last; `mapping` and `sending` count the deaths in these phases of its trials, and
    `vanished` says who they were.
    """

    cursor: str
    deaths: int
    until: str
    alone: str
    mapping: int
    sending: int
    entries: list[Entry]
    vanished: list[Vanished] = []


def read_vanished(flat: Sequence[Any]) -> list[Vanished]:
    """Holders that vanished, out of a script's flat list."""
    return [Vanished(flat[n].decode(), flat[n + 1].decode(), flat[n + 2]) for n in range(0, len(flat), 3)]
