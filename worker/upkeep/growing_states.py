"""States of people on their way to new shards: copied, then deleted where they were.

A state goes to the shard of the person that it names. Where that does not decide (an integration with an identity chain
of its own, a state that does not say whose it is), every shard that may be asked for it gets a copy, and the former one
keeps it: a state is a join of events, so a copy that nobody asks for does no harm.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
import redis

from config.integrations import Integration
from worker.errors import UnknownStateError
from worker.people.person import Person, decode
from worker.purchasely.person import plain_name, shard_of
from worker.store.keys import person_key
from worker.store.layout import Layout

_PAGE = 500
_PATTERN = "relay:{*}:person:*"

Place = tuple[str, int, str]
"""An integration, a shard and a person's digest."""


def move_states(
    client: redis.Redis,
    layout: Layout,
    names: Collection[str],
    integrations: dict[str, Integration],
    progress: Callable[[int], None],
    confirm: Callable[[Collection[int]], None] = lambda _: None,
) -> int:
    """Have the states that these integrations keep on former shards be where they belong; how many were moved.

    To be called while nobody serves the people concerned. May be repeated after it was broken off. `confirm` is called
    with the shards that got copies, before what they are of is deleted.
    """
    moved = 0
    server: Any = client
    for page in _pages(server, layout, names):
        pipe = server.pipeline(transaction=False)
        for _, key in page:
            pipe.get(key)
            pipe.pttl(key)
        replies = pipe.execute()
        gone: list[bytes] = []
        to: set[int] = set()
        for ((name, shard, digest), key), blob, life_ms in zip(page, replies[::2], replies[1::2], strict=True):
            if blob is None:
                continue
            homes = homes_of(blob, shard, layout, integrations.get(name))
            _copy(pipe, (name, shard, digest), blob, life_ms, homes)
            to.update(home for home in homes if home != shard)
            if shard not in homes:
                gone.append(key)
        pipe.execute()
        confirm(to)  # every copy is there to stay before anything is deleted
        for key in gone:
            pipe.unlink(key)
        pipe.execute()
        moved += len(gone)
        progress(moved)
    return moved


def _copy(pipe: Any, place: Place, blob: bytes, life_ms: int, homes: Iterable[int]) -> None:
    """Write a state, with what is left of its life, on each of the shards that it is not on."""
    name, shard, digest = place
    for home in homes:
        if home != shard:
            pipe.set(person_key(home, name, digest), blob, px=life_ms if life_ms > 0 else None)


def homes_of(blob: bytes, shard: int, layout: Layout, integration: Integration | None) -> list[int]:
    """The shards, former or new, that a state of a former shard belongs to."""
    every = list(range(shard, layout.shards, layout.before))
    if integration is not None and integration.identity != integration.source_identity:
        return every
    try:
        name = _name(decode(blob))
    except (UnknownStateError, ValueError):
        return every
    home = shard_of(name, layout.shards) if name else -1
    return [home] if home in every else every


def _name(state: Person) -> str:
    """The identifier that decides the shard of a state's person; empty: it may be another one."""
    values = [plain_name(str(value)) for value in (orjson.loads(state.who) if state.who else {}).values()]
    if len(values) != 1 or (state.user_id[1] and values[0] == plain_name(state.anonymous_user_id[1])):
        return ""
    return values[0]


def _pages(server: Any, layout: Layout, names: Collection[str]) -> Iterator[Sequence[tuple[Place, bytes]]]:
    found = ((_place(key), key) for key in server.scan_iter(match=_PATTERN, count=_PAGE * 2))
    mine = ((place, key) for place, key in found if place[0] in names and place[1] < layout.before)
    while page := list(islice(mine, _PAGE)):
        yield page


def _place(key: bytes) -> Place:
    """What a key `relay:{S}:person:<integration>:<digest>` is about."""
    _, shard, _, rest = key.decode().split(":", 3)
    name, _, digest = rest.rpartition(":")
    return name, int(shard.strip("{}")), digest
