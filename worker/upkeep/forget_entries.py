"""Stream entries to be forgotten: a person's own, and settled ones of other people that name them."""

import time
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import msgspec

from worker.app import Relay
from worker.mapping.identity import Who, identify
from worker.purchasely.payload import read_object
from worker.purchasely.person import other_names, person_names
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.groups import read_cursors
from worker.store.keys import SOURCES, shard_key
from worker.store.lane import Lane
from worker.store.lease import Lease
from worker.store.scripts import script
from worker.store.trail import Change, encode_record

_PAGE = 1000


class Stream(NamedTuple):
    """One source's events on one shard, the lanes that read them, and the fields that name their people."""

    source: str
    shard: int
    lanes: list[Lane]
    fields: Collection[str]

    @property
    def key(self) -> str:
        """Its name in Redis."""
        return shard_key(self.shard, "events", self.source)


class Removed(msgspec.Struct):
    """What went: the person's entries, those that still waited, and others' that named them; `left` others' wait."""

    entries: int = 0
    waiting: int = 0
    mentions: int = 0
    left: int = 0


def streams(parts: Relay) -> Iterator[Stream]:
    """Every stream there is: of sources that are configured, and of those that were."""
    once: Any = parts.redis.smembers(SOURCES)
    fields = person_fields(parts)
    for source in sorted({*parts.integrations.sources, *(one.decode() for one in once)}):
        configured = [one.name for one in parts.integrations.of_source(source)]
        for shard in range(parts.settings.shards):
            known = read_cursors(parts.redis, shard_key(shard, "events", source))
            lanes = [Lane(source, name, shard) for name in dict.fromkeys((*configured, *known))]
            yield Stream(source, shard, lanes, fields)


def person_fields(parts: Relay) -> frozenset[str]:
    """The fields that name people in any identity chain of the configuration."""
    config = parts.integrations
    chains = [source.identity for source in config.sources.values()]
    chains += [integration.identity for integration in config.integrations.values()]
    return frozenset(field for chain in chains for field in (*chain.id_fields, *chain.email_fields))


def forget_entries(
    parts: Relay, stream: Stream, leases: list[Lease], name: str, digests: set[str], removed: Removed
) -> None:
    """Delete the person's entries, and settled ones of others that name them.

    `digests` takes the names of the states that the person's entries lead to.
    """
    known = parts.integrations.integrations
    integrations = [known[lane.integration] for lane in stream.lanes if lane.integration in known]
    settled = min(read_cursors(parts.redis, stream.key).values(), default=None)
    for page in _pages(parts, stream.key):
        own, others = [], []
        for entry_id, payload in page:
            if name in person_names(payload, stream.fields):
                own.append(entry_id)
                whos = [identify(payload, integration) for integration in integrations]
                digests.update(who.digest for who in whos if isinstance(who, Who))
            elif name in other_names(payload):
                others.append(entry_id)
        past = [one for one in others if settled is None or order(one) <= settled]
        removed.left += len(others) - len(past)
        entries, waiting = _remove(parts, stream, leases, own)
        removed.entries += entries
        removed.waiting += waiting
        removed.mentions += _remove(parts, stream, leases, past)[0]


def _remove(parts: Relay, stream: Stream, leases: list[Lease], ids: list[str]) -> tuple[int, int]:
    """Delete entries; how many there were, and for how many deliveries they still waited."""
    if not ids:
        return 0, 0
    groups = [lane.integration for lane in stream.lanes]
    keys = [shard_key(stream.shard, kind, stream.source) for kind in ("events", "forgotten")]
    keys += [lane.key(kind) for lane in stream.lanes for kind in ("ledger", "changes")]
    head = encode_record(Change(time.time_ns() // 1_000_000))
    for lease in leases:
        lease.check()
    remove = parts.redis.register_script(script("forget"))
    counts: Any = remove(keys=keys, args=[len(groups), *groups, head, *ids])
    return counts[0], sum(counts[1:])


def _pages(parts: Relay, stream: str) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """The entries of a stream that are JSON objects, a page at a time."""
    after = "-"
    while True:
        page = read_range(parts.redis, stream, after, count=_PAGE)
        if not page:
            return
        yield [(entry_id, payload) for entry_id, raw in page if (payload := _payload(raw)) is not None]
        after = f"({page[-1][0]}"


def _payload(raw: bytes) -> dict[str, Any] | None:
    try:
        return read_object(raw)
    except ValueError:
        return None
