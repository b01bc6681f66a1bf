"""Departure of trips: at once, when the last one is back, or, where enough waits, right behind it."""

import asyncio
from collections.abc import Callable

# Redis is far when even the quickest trip takes so long: then the next one does not wait for it, but gathers for a
# moment, or until so many requests are there. Next door it is cheaper to wait until enough are there: then one trip is
# at Redis while the other is made or answered, and neither of them is idle for the other.
_FAR_S = 0.002
_GATHER_S, _GATHER_REQUESTS = 0.001, 8
_NEAR_TRIPS, _NEAR_REQUESTS = 2, 12
MOST_TRIPS = 12
# Of the quickest trip, with each one: a thousand slow ones are believed.
_FADE = 1.001


class Departure:
    """Calls `leave` when the next trip is to leave."""

    def __init__(self, leave: Callable[[], None], most_trips: int = MOST_TRIPS) -> None:
        self._leave = leave
        self._most_trips = most_trips
        self._gathering: asyncio.TimerHandle | None = None
        self._gathered = 0  # requests that wait
        self._quickest_s = 0.0  # of the trips of late

    def ask(self, trips: int) -> None:
        """A request is there, and so many trips are under way: leave, unless it is worth to wait."""
        self._gathered += 1
        if trips:
            is_far = self._quickest_s >= _FAR_S
            if trips >= min(self._most_trips, MOST_TRIPS if is_far else _NEAR_TRIPS):
                return
            if self._gathered < (_GATHER_REQUESTS if is_far else _NEAR_REQUESTS):
                if is_far and self._gathering is None:
                    self._gathering = asyncio.get_running_loop().call_later(_GATHER_S, self._leave)
                return
        self._leave()

    def begin(self) -> None:
        """A trip takes all that waits: the next one gathers again."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._gathered = 0

    def note(self, took_s: float) -> None:
        """A trip has come back; one that failed at once says nothing of how far away Redis is."""
        self._quickest_s = min(took_s, self._quickest_s * _FADE) or took_s
