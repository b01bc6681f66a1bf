"""Forget a person: their events leave the streams and the dead letters, what was known of them is deleted."""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec

from worker.app import Relay
from worker.errors import OperatorError
from worker.mapping.identity import Who, identify, state_name
from worker.purchasely.payload import read_object
from worker.purchasely.person import person_names, plain_name
from worker.purchasely.person import shard_key as owner_of
from worker.store.keys import person_key, shard_key
from worker.store.lease import Lease
from worker.store.stream import Lane, Taken, read_range, script
from worker.store.trail import Change, encode_record

_PAGE = 1000
_LEASE_PATIENCE_S = 60.0


class Stream(NamedTuple):
    """One source's events on one shard."""

    source: str
    shard: int


class Forgotten(msgspec.Struct):
    """What was removed: stream entries, those among them that still waited, dead letters, states of people."""

    entries: int = 0
    waiting: int = 0
    dead_letters: int = 0
    states: int = 0


def forget(parts: Relay, person: str, sleep: Callable[[float], None] = time.sleep) -> Forgotten:
    """Remove whatever names the person, on all shards and for all integrations.

    Their e-mail, anonymous and user ids found together in one event count as one person only for that event: to forget
    an anonymous past as well, forget the anonymous id too.

    Raises:
        OperatorError: a lane stayed busy; running it again goes on where this ended.
    """
    removed = Forgotten()
    name = plain_name(person)
    digests = {state_name("id", person), state_name("email", person)}
    for source in parts.integrations.sources:
        lanes = [lane for lane in parts.lanes() if lane.source == source]
        for shard in range(parts.settings.shards):
            here = [lane for lane in lanes if lane.shard == shard]
            with _leases(parts, here, sleep) as leases:
                _forget_entries(parts, Stream(source, shard), here, leases, name, digests, removed)
                # while nobody else has a state in hand that it would write back
                _forget_states(parts, [shard], digests, removed)
    # ids that were only found on a later shard
    _forget_states(parts, range(parts.settings.shards), digests, removed)
    for integration in parts.known_integrations():
        removed.dead_letters += parts.dead_changes.forget(integration, name)
    parts.jobs.forget(name)
    return removed


@contextmanager
def _leases(parts: Relay, lanes: list[Lane], sleep: Callable[[float], None]) -> Iterator[list[Lease]]:
    """Hold the leases of lanes, so that no worker has their entries in hand."""
    leases: list[Lease] = []
    with ExitStack() as held:
        for lane in lanes:
            token = uuid.uuid4().hex
            since_s = time.monotonic()
            ends = since_s + _LEASE_PATIENCE_S
            taken = parts.streams.take(lane, token, 1, probe=True)
            while not isinstance(taken, Taken):
                if time.monotonic() > ends:
                    raise OperatorError(f"{lane.integration} on shard {lane.shard} is busy; try again")
                sleep(0.1)
                since_s = time.monotonic()
                taken = parts.streams.take(lane, token, 1, probe=True)
            held.callback(parts.streams.release, lane, token, taken.cursor, keep=False, mark=False)
            renew = partial(parts.streams.renew, lane, token)
            lease = held.enter_context(Lease(renew, parts.settings.lease_s, _LEASE_PATIENCE_S * 10, since_s))
            lease.check()
            leases.append(lease)
        yield leases


def _forget_entries(
    parts: Relay,
    stream: Stream,
    lanes: list[Lane],
    leases: list[Lease],
    name: str,
    digests: set[str],
    removed: Forgotten,
) -> None:
    remove = parts.redis.register_script(script("forget"))
    integrations = [parts.integrations.integrations[lane.integration] for lane in lanes]
    chain = parts.integrations.identity(stream.source)
    for page in _pages(parts, shard_key(stream.shard, "events", stream.source)):
        ids = []
        for entry_id, payload in page:
            if name not in person_names(payload) | {owner_of(payload, chain)}:
                continue
            ids.append(entry_id)
            whos = [identify(payload, integration) for integration in integrations]
            digests.update(who.digest for who in whos if isinstance(who, Who))
        if ids:
            groups = [lane.integration for lane in lanes]
            keys = [shard_key(stream.shard, kind, stream.source) for kind in ("events", "forgotten")]
            keys += [lane.key(kind) for lane in lanes for kind in ("ledger", "changes")]
            for lease in leases:
                lease.check()
            counts: Any = remove(
                keys=keys, args=[len(groups), *groups, encode_record(Change(time.time_ns() // 1_000_000)), *ids]
            )
            removed.entries += counts[0]
            removed.waiting += sum(counts[1:])


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


def _forget_states(parts: Relay, shards: Iterable[int], digests: set[str], removed: Forgotten) -> None:
    pipe = parts.redis.pipeline(transaction=False)
    for shard in shards:
        for integration in parts.integrations.integrations:
            for known in digests:
                pipe.delete(person_key(shard, integration, known))
    removed.states += sum(pipe.execute())
