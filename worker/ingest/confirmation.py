"""Confirmation by replicas: WAIT or WAITAOF behind the appends of a trip, before any of them is answered with 200."""

from typing import Any

from worker.ingest.roundtrip import Command, encode

# A replica is asked together with what it is to write, and answers before it has written that; then it says it once a
# second, unless it is asked again.
_AGAIN_AFTER_MS = (5, 20, 50, 100, 200)


class Confirmation:
    """Waits until `replicas` have what was appended: in memory, or with `on_disk` in their append-only files.

    `commands` are sent behind the appends of a trip; what counts is the answer to the last of them.
    """

    def __init__(self, replicas: int, within_ms: int, *, on_disk: bool) -> None:
        self._replicas = replicas
        waits: list[str | int] = ["WAITAOF", 0, replicas] if on_disk else ["WAIT", replicas]
        turns = [ms for ms in _AGAIN_AFTER_MS if on_disk and 4 * ms <= within_ms]
        turns.append(within_ms - sum(turns))
        self.commands: list[Command] = [[b"*%d\r\n" % (len(waits) + 1), encode([*waits, ms])] for ms in turns]

    def is_given(self, reply: Any) -> bool:
        """Whether enough replicas have confirmed, by the answer to the last command; an error confirms nothing."""
        confirmed = reply[1] if type(reply) is list and len(reply) == 2 else reply
        return type(confirmed) is int and confirmed >= self._replicas
