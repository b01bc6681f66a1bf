"""Rebuild states of people that are damaged, from the events that are kept."""

import time
import uuid
from collections.abc import Callable, Mapping

import msgspec

from config.integrations import Integration
from worker.acts.named import named_integration
from worker.acts.record import Doer, record
from worker.acts.resharding import alone
from worker.app import Relay
from worker.errors import UnknownStateError
from worker.history.people import states_of
from worker.history.scan import Scan
from worker.mapping.mapper import Mapper
from worker.people.person import decode, is_newer
from worker.process.wording import several
from worker.purchasely.event import read_event
from worker.store.entry_id import order
from worker.store.groups import read_cursors
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.layout import closed_lanes
from worker.store.lease import Lease
from worker.upkeep.lane_leases import hold_lanes


class Rebuilt(msgspec.Struct, frozen=True):
    """A state that was damaged: `shard` and `state` are what its hold names; of how many kept events it is made now.

    Of none it was deleted: the person begins again with their next event.
    """

    shard: int
    state: str
    events: int


class Rebuilding(msgspec.Struct, frozen=True):
    """What was rebuilt; `newer` states are of a newer release, and were left."""

    rebuilt: list[Rebuilt]
    newer: int


def rebuild(parts: Relay, integration: str, doer: Doer, sleep: Callable[[float], None] = time.sleep) -> Rebuilding:
    """Put the damaged states of an integration's people together again from the events that were settled and are kept.

    A state is a join of events, so their order does not matter; what older events said is lost. Nobody moves states
    meanwhile; a growth that was broken off may go on only after it, since what is held is waited for.

    Raises:
        OperatorError: there is no such integration, a lane stayed busy, or the number of shards grows just now.
    """
    chosen = named_integration(parts, integration)
    with alone(parts, uuid.uuid4().hex, sleep) as lease:
        lease.check()
        parts.look_at_layout()
        done = _rebuild(parts, chosen, sleep, lease)
    built = several(len(done.rebuilt), "state")
    record(parts.redis, doer, "rebuild", integration, f"{built} rebuilt, {done.newer} of a newer release left")
    return done


def _rebuild(parts: Relay, chosen: Integration, sleep: Callable[[float], None], lease: Lease) -> Rebuilding:
    integration = chosen.name
    damaged, newer = _unreadable(parts, integration)
    lanes = [Lane(chosen.source, integration, shard) for shard in range(parts.settings.shards)]
    mine = [lane for lane in lanes if lane.shard in {shard for shard, _ in damaged}]
    closed = closed_lanes(parts.redis, mine)  # nobody serves them
    with hold_lanes(parts, [lane for lane in mine if lane not in closed], sleep):
        damaged = {
            (shard, digest)  # still, now that nobody writes them
            for shard, digest in damaged
            if _is_damaged(parts.streams.states([person_key(shard, integration, digest)])[0])
        }
        played, events = _play(parts, parts.mapper(chosen), lanes, {digest for _, digest in damaged})
        lease.check()
        for shard, digest in sorted(damaged):
            key, state = person_key(shard, integration, digest), played.get(digest)
            if state is None:
                parts.redis.delete(key)
            else:
                parts.redis.set(key, state, ex=parts.settings.person_ttl_s)
    return Rebuilding([Rebuilt(shard, digest, events.get(digest, 0)) for shard, digest in sorted(damaged)], newer)


def _unreadable(parts: Relay, integration: str) -> tuple[set[tuple[int, str]], int]:
    """Shards and names of the damaged states; how many are of a newer release."""
    damaged, newer = set(), 0
    for shard, digest, blob in states_of(parts.redis, integration, parts.settings.shards):
        if _is_damaged(blob):
            damaged.add((shard, digest))
        elif is_newer(blob or b""):
            newer += 1
    return damaged, newer


def _is_damaged(blob: bytes | None) -> bool:
    """Whether a state cannot be read, and no newer release wrote it."""
    try:
        decode(blob)
    except UnknownStateError:
        return not is_newer(blob or b"")
    return False


def _play(
    parts: Relay, mapper: Mapper, lanes: list[Lane], digests: set[str]
) -> tuple[Mapping[str, bytes], Mapping[str, int]]:
    """States of these people by the kept events that are settled, and of how many events each is."""
    states: dict[str, bytes] = {}
    events: dict[str, int] = {}
    suppressed, now_ms = frozenset(parts.suppressed.people()), time.time_ns() // 1_000_000
    for lane in lanes if digests else ():  # they may have been on another shard before
        cursor = read_cursors(parts.redis, lane.key("events")).get(lane.integration, (0, 0))
        for _, (entry_id, raw) in Scan(parts.redis).matching([lane.key("events")], ()):
            if order(entry_id) > cursor:
                break  # Customer.io hears of what waits when that is delivered
            try:
                decision = mapper.decide(read_event(entry_id, raw), now_ms, suppressed)
                digest = mapper.person_of(decision) or ""
                if digest in digests:
                    states |= mapper.compose([decision], states).people
                    events[digest] = events.get(digest, 0) + 1
            except Exception:  # noqa: BLE001, S112 - an event that the mapping fails at gave nothing before either
                continue
    return states, events
