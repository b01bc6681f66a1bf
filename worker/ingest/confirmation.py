"""Confirmation by replicas: WAIT or WAITAOF behind the appends of a trip, before any of them is answered with 200."""

from typing import Any

from worker.ingest.roundtrip import Command, encode


class Confirmation:
    """Waits until `replicas` have what was appended: in memory, or with `on_disk` in their append-only files."""

    def __init__(self, replicas: int, within_ms: int, *, on_disk: bool) -> None:
        self._replicas = replicas
        waits: list[str | int] = ["WAITAOF", 0] if on_disk else ["WAIT"]
        waits += [replicas, within_ms]
        self.command: Command = [b"*%d\r\n" % len(waits), encode(waits)]

    def is_given(self, reply: Any) -> bool:
        """Whether enough replicas have confirmed, by the answer to the command; an error confirms nothing."""
        confirmed = reply[1] if type(reply) is list and len(reply) == 2 else reply
        return type(confirmed) is int and confirmed >= self._replicas
