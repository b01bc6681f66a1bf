"""The search for poison: the event that kills its worker, or that Customer.io fails at."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from worker.mapping.decision import Decision, Learn, Send
from worker.mapping.outcome import Dead
from worker.store.entry_id import order
from worker.store.taken import CAUTIOUS_EVENTS, Taken, Vanished

# Deaths of holders that had one event alone in hand before it is buried: while they mapped it, and while they waited
# for Customer.io, where a holder that is killed for another reason most likely is.
DEATHS_MAPPING = 2
DEATHS_SENDING = 8
# How often Customer.io, fine in between, fails at the same place before the search for poison begins; and before an
# event is believed to be poison although nobody else's is served right then.
# In between means: another shard's probe has ended the hold, or an operator has.
REFUSALS = 6
REFUSALS_ALONE = 12
# At most this many events of other people are tried, to see whether Customer.io accepts any.
WITNESSES = 3
# Threads of one process die together: of those that are cautious one at a time decides what its events become, so that
# the one that dies of it is not taken for another.
_DECIDING: Final = threading.Lock()


@contextmanager
def deciding(lease_s: float, *, cautious: bool) -> Iterator[None]:
    """The turn of a lane, among the cautious ones of this process, to decide what its events become.

    It is a moment's work: whoever has waited a third of a lease, which nothing renews before something is sent, goes on
    all the same, since an event that hangs must not keep the other lanes from their work, nor itself from being found.
    """
    mine = cautious and _DECIDING.acquire(timeout=lease_s / 3)
    try:
        yield
    finally:
        if mine:
            _DECIDING.release()


MayLive = Callable[[Sequence[Vanished]], Sequence[Vanished]]
"""Which of the holders that vanished may be alive; `worker.store.holders.Holders` says more."""


def is_certain(mapping: int, sending: int, vanished: Sequence[Vanished], may_live: MayLive) -> bool | None:
    """Whether so many crashes at an event, in each phase of its trials, make it poison.

    None while that is not certain: who has vanished may be alive.
    """
    if mapping < DEATHS_MAPPING and sending < DEATHS_SENDING:
        return False
    living = Counter(one.phase for one in may_live(vanished))
    return mapping - living["mapping"] >= DEATHS_MAPPING or sending - living["sending"] >= DEATHS_SENDING or None


class Caution:
    """After unexplained deaths of holders: smaller batches, then single events, until the batch is passed."""

    def __init__(self, taken: Taken) -> None:
        self._taken = taken
        self.events = 0  # most events of a batch; 0: no caution
        if taken.deaths and taken.entries:
            self.events = CAUTIOUS_EVENTS[min(taken.deaths, len(CAUTIOUS_EVENTS)) - 1]
        self._until = order(taken.until) if self.events else (0, 0)

    @property
    def alone(self) -> bool:
        """Whether events are tried one by one, each noted first, so that the next process knows what was in hand."""
        return self.events == 1

    def poison(self, may_live: MayLive) -> Dead | Literal["uncertain"] | None:
        """The end of the first event, when enough holders have crashed with it alone in hand."""
        taken = self._taken
        if not self.events or taken.alone != taken.entries[0][0]:
            return None
        certain = is_certain(taken.mapping, taken.sending, taken.vanished, may_live)
        if certain is None:
            return "uncertain"
        return crashed_worker(taken.deaths, taken.mapping + taken.sending) if certain else None

    def is_past(self, cursor: str) -> bool:
        """Whether, with the cursor here, nothing is left of the batch that killed earlier holders."""
        return order(cursor) >= self._until

    def end(self) -> None:
        """The batch is passed."""
        self.events = 0


class Search:
    """Halving for the event that makes Customer.io refuse a request, or fail at it."""

    def __init__(self) -> None:
        self.events = 0  # events at the head of the queue with poison among them; 0: no search
        self.refusals = 0  # failures at this place when the search began
        self.failing = False  # the search is for an event that Customer.io fails at (5xx)

    def begins(self, refusals: int) -> None:
        """Customer.io has failed at one place this many times: enough of them begin a search."""
        self.refusals = refusals
        self.failing = refusals >= REFUSALS

    @property
    def believes_alone(self) -> bool:
        """Whether an event alone is taken for poison although nobody else's is served."""
        return self.refusals >= REFUSALS_ALONE

    def bound(self, events: int) -> int:
        """How many of so many events the next request may hold."""
        return min(events, max(1, self.events // 2)) if self.events else events

    def split(self, events: int) -> None:
        """One of so many events is poison."""
        self.events = events

    def settled(self, events: int, *, found: bool) -> None:
        """So many events are settled; `found`: the one sent alone was the poison."""
        self.events = 0 if found else max(0, self.events - events)
        self.failing = self.failing and self.events > 0


def witnesses(decisions: Iterable[Decision], served: str = "") -> list[Send]:
    """First events of other people, to see whether Customer.io accepts any; `served` is who it took last time.

    From all of the queue: what a sender did wrong in many events, it did wrong in those that wait beside each other.
    """
    first, *others = decisions
    known = {first.who.digest} if isinstance(first, Send | Learn) else set[str]()
    found: list[Send] = []
    for one in others:
        if isinstance(one, Send) and one.who.digest not in known:
            known.add(one.who.digest)
            found.append(one)
    known_good = [one for one in found if one.who.digest == served]
    if known_good or len(found) <= WITNESSES:
        return known_good or found
    return [found[0], found[len(found) // 2], found[-1]]


def crashed_worker(deaths: int, alone: int) -> Dead:
    """The end of an event that kills its worker."""
    message = f"its worker process crashed {deaths} times, {alone} times with this event alone in hand"
    return Dead("crashed_worker", "map", message=message)
