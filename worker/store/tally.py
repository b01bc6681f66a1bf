"""Tally of the shards: what each holds of a source and of its integrations, all of them in one round trip.

Each shard is counted by one script, so its figures are of one moment and fit together.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import redis

from config.integrations import Integrations
from worker.store.keys import cause_key, shard_key
from worker.store.scripts import call_all

_KINDS = ("ledger", "dead", "deadtime", "deadcauses")
# Shards a round trip: so many answers fit into the buffers, and others get their turn at Redis in between.
_CHUNK = 512


class GroupTally(msgspec.Struct, frozen=True, array_like=True):
    """One integration on one shard, as Redis has it.

    `cursor` is the last entry its group is past ("": there is no group), `following` the first one that waits ("": none
    does); `read` and `lag` are Redis's own counts (-1: it does not know). `letters`, `by_time` and `by_cause` are dead
    letters in the three places that hold them.
    """

    name: str
    cursor: str
    following: str
    read: int
    lag: int
    fields: list[str]
    letters: int
    by_time: int
    by_cause: int

    @property
    def ledger(self) -> Mapping[str, str]:
        """The ledger's hash."""
        return _pairs(self.fields)


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """One shard's stream of a source: entries ever added (-1: there is no stream), entries kept, and their ids.

    Ids are "" where there is none: the first one kept, the last one added, the last one deleted before its time.
    """

    added: int
    length: int
    first: str
    last: str
    deleted: str
    fields: list[str]
    groups: list[GroupTally]

    @property
    def intake(self) -> Mapping[str, str]:
        """The intake's hash."""
        return _pairs(self.fields)


Place = tuple[str, int]
"""A source and a shard."""

Tallies = dict[Place, Tally]

_decode = msgspec.msgpack.Decoder(Tally).decode


def tally_all(client: redis.Redis, config: Integrations, shards: int) -> Tallies:
    """What all shards hold of every source of a configuration."""
    wanted = {name: [one.name for one in config.of_source(name)] for name in config.sources}
    return tally(client, wanted, range(shards))


def tally(client: redis.Redis, sources: Mapping[str, Iterable[str]], shards: Iterable[int]) -> Tallies:
    """What these shards hold; `sources` names the integrations of each source."""
    wanted = {name: list(integrations) for name, integrations in sources.items()}
    places = [(source, shard) for source in wanted for shard in shards]
    calls = [_call(source, shard, wanted[source]) for source, shard in places]
    found: Tallies = {}
    for start in range(0, len(calls), _CHUNK):
        replies = call_all(client, "tally", calls[start : start + _CHUNK])
        found |= {place: _decode(reply) for place, reply in zip(places[start : start + _CHUNK], replies, strict=True)}
    return found


def _call(source: str, shard: int, integrations: Sequence[str]) -> tuple[list[str], list[str]]:
    keys = [shard_key(shard, "events", source), shard_key(shard, "intake", source)]
    args = []
    for name in integrations:
        keys += [shard_key(shard, kind, name) for kind in _KINDS]
        args += [name, cause_key(shard, name, "")]
    return keys, args


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
