"""What a settle writes, and what comes back with it."""

from collections.abc import Mapping, Sequence

import msgspec

from worker.store.entries import Entry

# Upper bounds, in milliseconds, of the received-to-delivered histogram kept in the ledger.
LATENCY_BOUNDS_MS = (
    5,
    10,
    15,
    25,
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    10_000,
    60_000,
    600_000,
    3_600_000,
)


class Burial(msgspec.Struct, frozen=True):
    """A dead letter on its way into Redis: its id, its cause's id and description (JSON), and the record (JSON).

    `settled`: the ledger's field that counts its event; empty: the event counts as dead. The scripts read these names.
    """

    letter_id: str
    cause: str
    about: bytes
    failed_ms: int
    record: bytes
    settled: str = ""

    def named(self) -> dict[str, str]:
        """Its parts by name, as `pack` takes them."""
        return {
            "letter_id": self.letter_id,
            "cause": self.cause,
            "about": self.about.decode(),
            "failed_ms": str(self.failed_ms),  # as text: Redis would format a number again at each use
            "record": self.record.decode(),
            "settled": self.settled,
        }


class Settlement(msgspec.Struct):
    """What one settle writes: the new cursor, how many events it passes, counts, people's states, dead letters.

    `calm`: no batch that killed earlier holders is still being passed. `trail`: the trail's record of these events.
    """

    cursor: str
    events: int
    counts: Mapping[str, int]
    people: Mapping[str, bytes]
    burials: Sequence[Burial] = ()
    calm: bool = True
    trail: bytes = b""


class Following(msgspec.Struct):
    """What comes with a settle: the entries behind, and the states of people who were asked for, by their keys."""

    entries: list[Entry]
    states: dict[str, bytes | None]
