"""Compares the books with themselves and with what Redis counts: whatever does not add up is named."""

from collections.abc import Iterator

import msgspec
import redis

from config.integrations import Integrations
from worker.ledger.counts import Counts, read_counts, unaccounted
from worker.ledger.losses import losses
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.lane import Lane, lanes_of
from worker.store.tally import GroupTally, Tallies, Tally, tally, tally_all

_PAGE = 1000


class Books(msgspec.Struct, frozen=True):
    """One integration on one shard: what the ledger says, and what Redis says of the same.

    `added`, `read`, `lag` and `length` are the stream's and the group's own (-1: Redis does not know; a lag that it
    does not know is counted); `letters`, `by_time` and `by_cause` count dead letters in the three places that hold
    them; `timed` are the deliveries with a time in the ledger (replays have none). `properties` are letters of events
    that are not dead: only what they say of a person was refused.
    """

    integration: str
    source: str
    shard: int
    accepted: int
    delivered: int
    filtered: int
    dead: int
    waiting: int
    timed: int
    position: int
    added: int
    read: int
    lag: int
    length: int
    letters: int
    by_time: int
    by_cause: int
    properties: int = 0

    @property
    def unaccounted(self) -> int:
        """Accepted, and neither delivered, filtered, dead nor waiting."""
        return unaccounted(self.accepted, self.delivered, self.filtered, self.dead, self.waiting)


class Finding(msgspec.Struct, frozen=True):
    """What does not add up, and where."""

    integration: str
    shard: int
    text: str


class Audit(msgspec.Struct, frozen=True):
    """All books, and every finding; none is the promise."""

    books: list[Books]
    findings: list[Finding]


def audit(client: redis.Redis, config: Integrations, shards: int) -> Audit:
    """Look at every integration on every shard."""
    books, findings = [], []
    tallies = tally_all(client, config, shards)
    for lane in lanes_of(config, shards):
        found = _read(client, lane, tallies[lane.source, lane.shard])
        if isinstance(found, str):
            findings.append(Finding(lane.integration, lane.shard, found))
        elif found is not None:
            books.append(found)
            findings += [Finding(lane.integration, lane.shard, text) for text in differences(found)]
    return Audit(books, findings + list(_at_the_door(tallies)) + list(_lost(tallies)))


def read_books(client: redis.Redis, lane: Lane) -> Books | str | None:
    """The books of a lane as of one moment; None when nothing was ever stored, words when they cannot be read."""
    return _read(client, lane, _of_lane(client, lane))


def _of_lane(client: redis.Redis, lane: Lane) -> Tally:
    return tally(client, {lane.source: [lane.integration]}, [lane.shard])[lane.source, lane.shard]


def _read(client: redis.Redis, lane: Lane, shard: Tally) -> Books | str | None:
    group = next(one for one in shard.groups if one.name == lane.integration)
    if shard.added < 0:
        return "the ledger is there, but its stream is gone" if group.fields else None
    if not group.cursor:
        return f"no consumer group reads the stream, which holds {shard.length} events"
    books = _books(lane, shard, group, read_counts(group.ledger, shard.added))
    return msgspec.structs.replace(books, lag=_count(client, lane, shard, group)) if books.lag < 0 else books


def _count(client: redis.Redis, lane: Lane, shard: Tally, group: GroupTally) -> int:
    """How many entries lie behind the group's cursor, counted one by one; -1 when the stream moved meanwhile."""
    number, after = 0, group.cursor
    while True:
        rows = read_range(client, lane.key("events"), f"({after}", count=_PAGE)
        number += len(rows)
        if len(rows) < _PAGE:
            break
        after = rows[-1][0]
    now = _of_lane(client, lane)
    cursors = [one.cursor for one in now.groups]
    return number if (now.added, now.length, cursors) == (shard.added, shard.length, [group.cursor]) else -1


def _books(lane: Lane, shard: Tally, group: GroupTally, counts: Counts) -> Books:
    # Events that were deleted before the group came to them (`relay forget`): until it is past, Redis cannot count.
    blind = order(shard.deleted) > order(group.cursor)
    return Books(
        integration=lane.integration,
        source=lane.source,
        shard=lane.shard,
        accepted=counts.accepted,
        delivered=counts.delivered,
        filtered=sum(counts.filtered.values()),
        dead=counts.dead,
        waiting=counts.waiting,
        timed=sum(counts.latency.values()),
        position=counts.position,
        added=shard.added,
        read=-1 if blind else group.read,
        lag=-1 if blind else group.lag,
        length=shard.length,
        letters=group.letters,
        by_time=group.by_time,
        by_cause=group.by_cause,
        properties=counts.properties,
    )


def differences(books: Books) -> list[str]:
    """What does not add up in one lane's books."""
    found = []
    if books.unaccounted:
        found.append(
            f"accepted {books.accepted} is not delivered {books.delivered} + filtered {books.filtered} + "
            f"dead {books.dead} + waiting {books.waiting}: {abs(books.unaccounted)} "
            + ("unaccounted for" if books.unaccounted > 0 else "counted twice")
        )
    if books.waiting > books.length:
        found.append(f"{books.waiting - books.length} waiting events are no longer in the stream: lost")
    if books.read not in {-1, books.position}:
        found.append(f"the ledger is at {books.position} events, Redis's group at {books.read} (entries-read)")
    if books.lag not in {-1, books.waiting}:
        found.append(f"{books.waiting} events wait by the ledger, {books.lag} by Redis")
    if books.letters != books.dead + books.properties:
        also = f" and {books.properties} with refused properties" if books.properties else ""
        found.append(f"{books.dead} dead{also} by the ledger, {books.letters} dead letters are kept")
    if books.by_time != books.letters:
        found.append(f"{books.letters} dead letters are kept, {books.by_time} are listed by time")
    if books.by_cause != books.letters:
        found.append(f"{books.letters} dead letters are kept, {books.by_cause} are listed by cause")
    if books.timed > books.delivered:
        found.append(f"{books.delivered} delivered, {books.timed} with a delivery time")
    return found


def _at_the_door(tallies: Tallies) -> Iterator[Finding]:
    """Events that are in a stream and did not come through the door, or the other way round."""
    for (source, shard), one in tallies.items():
        through = int(one.intake.get("accepted", 0))
        if one.added >= 0 and one.added != through:
            text = f"{through} events of source {source} came through the door, {one.added} were added to its stream"
            yield Finding("", shard, text)


def _lost(tallies: Tallies) -> Iterator[Finding]:
    """Events that are gone from Redis though they were answered with 200."""
    for shard, one in losses(tallies):
        yield Finding("", shard, one.message)
