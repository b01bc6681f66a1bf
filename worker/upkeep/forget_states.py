"""States to be forgotten: a person's own, under whichever identifier, and what other people's states say of them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import orjson
import redis

from worker.errors import UnknownStateError
from worker.people.person import Person, decode, encode
from worker.purchasely.person import plain_name

_PAGE = 1000
_PATTERN = "relay:{*}:person:*"

Place = tuple[str, int]
"""An integration and a shard."""


class States(msgspec.Struct):
    """What was found: keys by integration and shard, and how many states this release cannot read."""

    keys: dict[Place, set[bytes]] = {}  # sets, since SCAN may give a key twice
    unreadable: int = 0


def find_states(client: redis.Redis, name: str) -> States:
    """Every state that is of a person or mentions them, of any integration that ever was; all states are read."""
    found = States()
    for key, blob in _states(client):
        try:
            state = decode(blob)
        except UnknownStateError:
            found.unreadable += 1
            continue
        if is_own(state, name) or mentions(state, name):
            found.keys.setdefault(_place(key), set()).add(key)
    return found


def clear_states(client: redis.Redis, keys: Sequence[bytes], name: str) -> tuple[int, int]:
    """Delete the states that are the person's, take the name out of others; how many of each.

    To be called while nobody else has a state in hand that they would write back.
    """
    server: Any = client
    deleted = cleared = 0
    pipe = server.pipeline(transaction=False)
    for key, blob in zip(keys, server.mget(keys), strict=True):
        if blob is None:
            continue
        state = decode(blob)
        if is_own(state, name):
            pipe.delete(key)
            deleted += 1
        elif mentions(state, name):
            pipe.set(key, encode(without(state, name)), keepttl=True)
            cleared += 1
    pipe.execute()
    return deleted, cleared


def is_own(state: Person, name: str) -> bool:
    """Whether a state is of the person: Customer.io knows them by the name, or their events give it as theirs."""
    who = orjson.loads(state.who).values() if state.who else ()
    return any(_same(str(one), name) for one in (*who, state.user_id[1], state.anonymous_user_id[1]))


def mentions(state: Person, name: str) -> bool:
    """Whether the state of somebody else names the person: as who got what this one lost, or was merged with."""
    return (
        _same(state.moved_to[1], name)
        or any(_same(other, name) for other in state.paired)
        or any(_same(holding.moved_to[1], name) for holding in _holdings(state))
    )


def without(state: Person, name: str) -> Person:
    """The state with the name taken out; that something was moved, and when, is still known."""
    if _same(state.moved_to[1], name):
        state.moved_to = (state.moved_to[0], "")
    state.paired = {other: time_ms for other, time_ms in state.paired.items() if not _same(other, name)}
    for holding in _holdings(state):
        if _same(holding.moved_to[1], name):
            holding.moved_to = (holding.moved_to[0], "")
    return state


def _holdings(state: Person) -> list[Any]:
    return [*state.subscriptions.values(), *state.purchases.values()]


def _same(one: str, name: str) -> bool:
    return bool(one) and plain_name(one) == name


def _states(client: redis.Redis) -> Iterator[tuple[bytes, bytes]]:
    server: Any = client
    found = server.scan_iter(match=_PATTERN, count=_PAGE)
    while page := list(islice(found, _PAGE)):
        keys = sorted(set(page))
        yield from ((key, blob) for key, blob in zip(keys, server.mget(keys), strict=True) if blob is not None)


def _place(key: bytes) -> Place:
    """The integration and the shard of `relay:{S}:person:<integration>:<digest>`."""
    _, shard, _, rest = key.decode().split(":", 3)
    return rest.rpartition(":")[0], int(shard.strip("{}"))
