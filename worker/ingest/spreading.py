"""Events that wait in the door, or that it remembers, spread over another number of shards than they came for."""

import time
from collections.abc import Callable, Sequence

from worker.ingest.arguments import PIECES
from worker.ingest.memory import InLane, Kept

ShardOf = Callable[[str, bytes], int]
"""The shard of an event, by its source and bytes."""

# A piece before an event's bytes, as `encode_events` writes it: up to the number of bytes, which a line's end closes.
_HEAD_BYTES = 36


def spread_pieces(source: str, pieces: Sequence[bytes], shard_of: ShardOf) -> dict[InLane, list[bytes]]:
    """Encoded events of a source by their lanes, in order."""
    lanes: dict[InLane, list[bytes]] = {}
    for head, raw in zip(pieces[::PIECES], pieces[1::PIECES], strict=True):
        lanes.setdefault((source, shard_of(source, raw)), []).extend((head, raw))
    return lanes


def spread_kept(item: Kept, shard_of: ShardOf) -> list[Kept]:
    """What is remembered, by the lanes of now, and as if it were of now."""
    lanes = spread_pieces(item.lane[0], split_pieces(item), shard_of)
    now_s, origin = time.monotonic(), item.origin or item.lane
    return [Kept(now_s, lane, len(pieces) // PIECES, b"".join(pieces), origin) for lane, pieces in lanes.items()]


def split_pieces(item: Kept) -> list[bytes]:
    """The pieces that were joined: of each event what is before its bytes, and its bytes."""
    pieces: list[bytes] = []
    at = 0
    for _ in range(item.events):
        start = item.pieces.index(b"\r\n", at + _HEAD_BYTES) + 2
        end = start + int(item.pieces[at + _HEAD_BYTES : start - 2])
        pieces += (item.pieces[at:start], item.pieces[start:end])
        at = end
    return pieces
