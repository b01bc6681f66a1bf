"""Layout: over how many shards events are spread, now and formerly, and which lanes of new shards are still closed.

Each layout has a number, its epoch, which every append names: a shard that knows a newer one refuses it, so that
nothing is stored by a former layout any more. The number of shards only grows, by a whole multiple: shard 1 of 4 is
divided into 1, 5 and 9 of 12, whose people all come from it. A lane of a new shard is closed, and nothing of it is
delivered, until what the former shard has for those people is delivered and their states have come.
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
import redis

from worker.errors import OperatorError
from worker.store.keys import LAYOUT, LAYOUT_LEASE, SCHEMA, SHARDS, layout_key
from worker.store.lane import Lane
from worker.store.schema import GROWN, check_schema, read_number
from worker.store.scripts import call_all

_OPEN = "open:"


class Former(msgspec.Struct, frozen=True):
    """A number of shards that was in force until then (Unix ms)."""

    shards: int
    until_ms: int


class Layout(msgspec.Struct, frozen=True):
    """The number of shards; `former` ones, the last one first; `moving`: lanes of new shards are still closed."""

    shards: int
    epoch: int = 1
    former: tuple[Former, ...] = ()
    moving: bool = False

    @property
    def before(self) -> int:
        """How many shards there were before; as many as now, where there never were fewer."""
        return self.former[0].shards if self.former else self.shards

    @property
    def formerly(self) -> tuple[int, ...]:
        """All former numbers of shards, the last one first."""
        return tuple(one.shards for one in self.former)

    @property
    def children(self) -> range:
        """The shards that the last growth added."""
        return range(self.before, self.shards)

    def grown(self, shards: int, now_ms: int) -> "Layout":
        """The next layout, with more shards."""
        return Layout(shards, self.epoch + 1, (Former(self.shards, now_ms), *self.former), moving=True)

    def relatives(self, shard: int, window_s: float, now_s: float | None = None) -> list[int]:
        """The other shards where this one's people were within the last `window_s` seconds."""
        since_ms = ((time.time() if now_s is None else now_s) - window_s) * 1000
        found = [shard % one.shards for one in self.former if one.until_ms >= since_ms]
        return [other for other in dict.fromkeys(found) if other != shard]


_DECODER = msgspec.json.Decoder(Layout)


def read_layout(client: redis.Redis) -> Layout | None:
    """The layout in force; None: nothing was stored here yet."""
    pipe: Any = client.pipeline(transaction=False)
    pipe.get(LAYOUT)
    pipe.get(SHARDS)
    written, spread = pipe.execute()
    if written is not None:
        return _DECODER.decode(written)
    return None if spread is None else Layout(read_number(spread))


def find_layout(client: redis.Redis, asked: int, *, is_set: bool) -> Layout | None:
    """The layout in force, where `asked` shards are configured; None: nothing was stored here yet.

    Redis decides: a number that nobody has `set` is a default, and a former one is of before the shards grew.

    Raises:
        OperatorError: a newer release wrote what there is, or it was never spread over that number of shards.
    """
    server: Any = client
    schema = server.get(SCHEMA)
    if schema is not None:
        check_schema(schema)
    found = read_layout(client)
    if found is not None and is_set and asked not in {found.shards, *found.formerly}:
        raise OperatorError(
            f"RELAY_SHARDS is {asked}, but this Redis holds events spread over {found.shards} shards: "
            f"set RELAY_SHARDS={found.shards}, or use an empty Redis (more shards: `relay reshard`)"
        )
    return found


def broken_off(client: redis.Redis) -> int:
    """The number of shards to which a growth was begun that nobody is at; 0: there is none."""
    found = read_layout(client)
    return found.shards if found is not None and found.moving and not client.exists(LAYOUT_LEASE) else 0


def refuse_while_moving(client: redis.Redis) -> None:
    """Refuse what reads or changes people's states by their shards.

    Raises:
        OperatorError: people are on their way to new shards.
    """
    found = read_layout(client)
    if found is not None and found.moving:
        raise OperatorError(
            f"the number of shards is growing to {found.shards}, and people are on their way: "
            f"do this when `relay reshard {found.shards}` has ended (if it was broken off, run it again)"
        )


def write_layout(client: redis.Redis, layout: Layout) -> None:
    """Put a layout in force; earlier releases, which know of none, refuse to serve from then on.

    The bare number follows when all have moved: in a cluster it may be on another node, and outlive a layout that a
    fail-over took back.
    """
    server: Any = client
    server.set(SCHEMA, GROWN)
    server.set(LAYOUT, encode_layout(layout))
    if not layout.moving:
        server.set(SHARDS, layout.shards)


def encode_layout(layout: Layout) -> str:
    """A layout as Redis keeps it."""
    return msgspec.json.encode(layout).decode()


def tell_shards(client: redis.Redis, layout: Layout) -> None:
    """Have every shard refuse what is stored by a former layout; new ones are closed while events move.

    May be repeated: a shard that knows it changes nothing.
    """
    calls = []
    for shard in range(layout.shards):
        closed = layout.moving and shard in layout.children
        calls.append(((layout_key(shard),), (layout.epoch, int(closed))))
    call_all(client, "layout", calls)


def closed_lanes(client: redis.Redis, lanes: Sequence[Lane]) -> list[Lane]:
    """Those of these lanes that are closed."""
    pipe: Any = client.pipeline(transaction=False)
    for lane in lanes:
        pipe.hmget(layout_key(lane.shard), "closed", f"{_OPEN}{lane.integration}")
    found = zip(lanes, pipe.execute(), strict=True)
    return [lane for lane, (closed, opened) in found if closed is not None and opened is None]


def open_lanes(client: redis.Redis, lanes: Sequence[Lane]) -> None:
    """Let these lanes be delivered from now on."""
    pipe: Any = client.pipeline(transaction=False)
    for lane in lanes:
        pipe.hset(layout_key(lane.shard), f"{_OPEN}{lane.integration}", "1")
    pipe.execute()


def open_shards(client: redis.Redis, layout: Layout) -> None:
    """Forget what is known of single lanes, all of which are open, and that anything is closed."""
    server: Any = client
    for shard in range(layout.shards):
        key = layout_key(shard)
        if marks := [field for field in server.hkeys(key) if field != b"epoch"]:
            server.hdel(key, *marks)


def note_barriers(client: redis.Redis, layout: Layout, sources: Sequence[str]) -> dict[tuple[str, int], str]:
    """The last entry of each former shard's stream that may concern people of new shards, by source and shard.

    Noted once, when no shard takes anything by a former layout any more; later than needed is only later.
    """
    places = [(source, shard) for source in sources for shard in range(layout.before)]
    calls = [((layout_key(shard), f"relay:{{{shard}}}:events:{source}"), (source,)) for source, shard in places]
    return {place: last.decode() for place, last in zip(places, call_all(client, "barrier", calls), strict=True)}
