"""Deputy of beat: one worker of all, that asks for the periodic work when nobody has done so for a while."""

import time
from collections.abc import Callable, Mapping

from worker.process.eventlog import RareLog
from worker.store.turns import Turns

rare_log = RareLog(__name__, every_s=60)

_ROUNDS = 3
_LEAST_S = 5.0


def asked(name: str) -> str:
    """The turn of asking for a round, rather than of doing it."""
    return f"{name}:asked"


class Deputy:
    """Looks whether rounds are done; `every_s` is how often each of them should be, `send` asks a worker for one.

    A worker that has just begun asks too, but does not call beat silent yet: it may be starting beside it. `clock` is
    monotonic, in seconds.
    """

    def __init__(
        self,
        turns: Turns,
        every_s: Mapping[str, float],
        send: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._turns = turns
        self._every_s = every_s
        self._send = send
        self._clock = clock
        self._since_s = clock()

    def look(self) -> list[str]:
        """Ask for the rounds that are missing; their names."""
        missing = [
            name
            for name, every_s in self._every_s.items()
            if self._turns.take(asked(name), every_s, name, silence_s(every_s))
        ]
        for name in missing:
            if self._clock() - self._since_s >= silence_s(self._every_s[name]):
                rare_log.warning("beat_is_silent", round=name)
            self._send(name)
        return missing


def silence_s(every_s: float) -> float:
    """After how long beat is taken to be silent, seconds."""
    return max(_ROUNDS * every_s, _LEAST_S)
