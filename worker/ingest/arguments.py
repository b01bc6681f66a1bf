"""Arguments of the append script: events on their way in, encoded once for each lane."""

from collections.abc import Sequence
from zlib import crc32

import msgspec

from worker.ingest.memory import InLane
from worker.store.dedup import id_digest


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One event on its way in: its source and shard, its id, what else makes it the same event, and its bytes."""

    source: str
    shard: int
    key: str
    about: str
    raw: bytes


# Each event is as many pieces of the command, and arguments of the script.
PIECES, ARGUMENTS = 2, 3


def encode_events(events: Sequence[Incoming]) -> dict[InLane, list[bytes]]:
    """The script's arguments for each lane's events, in order; each piece continues the protocol line before it."""
    lanes: dict[InLane, list[bytes]] = {}
    for event in events:
        raw = event.raw
        digest = id_digest(event.key)
        lane = (event.source, event.shard)
        pieces = lanes.get(lane)
        if pieces is None:
            lanes[lane] = pieces = []
        # whoever sends the same id on purpose may as well send the same event: four bytes are enough
        about = crc32(event.about.encode()).to_bytes(4)
        pieces += (b"\r\n$16\r\n%b\r\n$4\r\n%b\r\n$%d\r\n" % (digest, about, len(raw)), raw)
    return lanes


_DIGEST, _ABOUT, _LENGTH = slice(7, 23), slice(29, 33), slice(36, 50)


def names(pieces: bytes, events: int) -> list[bytes]:
    """The digests of so many encoded events: of each one's id and of what it is about, 20 bytes together."""
    found, at = [], 0
    for _ in range(events):
        head = pieces[at : at + 50]
        found.append(head[_DIGEST] + head[_ABOUT])
        length, _, _ = head[_LENGTH].partition(b"\r")
        at += 36 + len(length) + 2 + int(length)
    return found
