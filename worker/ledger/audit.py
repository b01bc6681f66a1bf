"""Compares the books with themselves and with what Redis counts: whatever does not add up is named."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import redis

from config.integrations import Integrations
from worker.ledger.counts import Counts, read_counts, unaccounted
from worker.store.entry_id import order
from worker.store.keys import cause_key, shard_key
from worker.store.stream import Lane, lanes_of, read_range, read_together

# A reader sees a cause appear between two looks; it looks again this many times before it believes a difference.
_LOOKS = 5
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
    for lane in lanes_of(config, shards):
        found = read_books(client, lane)
        if isinstance(found, str):
            findings.append(Finding(lane.integration, lane.shard, found))
        elif found is not None:
            books.append(found)
            findings += [Finding(lane.integration, lane.shard, text) for text in differences(found)]
    return Audit(books, findings + [one for source in config.sources for one in _at_the_door(client, source, shards)])


def read_books(client: redis.Redis, lane: Lane) -> Books | str | None:
    """The books of a lane as of one moment; None when nothing was ever stored, words when they cannot be read."""
    causes: set[bytes] = set()
    for _ in range(_LOOKS):
        replies = read_together(client, partial(_ask, lane, sorted(causes)))
        stream, groups, ledger, letters, by_time, named, *sizes = replies
        if isinstance(stream, Exception):
            return "the ledger is there, but its stream is gone" if ledger else None
        if set(named) == causes:
            break
        causes = set(named)
    group = next((one for one in groups if one["name"].decode() == lane.integration), None)
    if group is None:
        return f"no consumer group reads the stream, which holds {stream['length']} events"
    counts = read_counts(ledger, int(stream["entries-added"]))
    books = _books(lane, stream, group, counts, letters, by_time, sum(sizes))
    return msgspec.structs.replace(books, lag=_count(client, lane, stream, group)) if books.lag < 0 else books


def _count(client: redis.Redis, lane: Lane, stream: Mapping[str, Any], group: Mapping[str, Any]) -> int:
    """How many entries lie behind the group's cursor, counted one by one; -1 when the stream moved meanwhile."""
    number, after = 0, group["last-delivered-id"].decode()
    while True:
        rows = read_range(client, lane.key("events"), f"({after}", count=_PAGE)
        number += len(rows)
        if len(rows) < _PAGE:
            break
        after = rows[-1][0]
    now: Any = client.xinfo_stream(lane.key("events"))
    groups: Any = client.xinfo_groups(lane.key("events"))
    still = group in groups and all(now[name] == stream[name] for name in ("entries-added", "length"))
    return number if still else -1


def _ask(lane: Lane, causes: list[bytes], pipe: Any) -> None:
    pipe.xinfo_stream(lane.key("events"))
    pipe.xinfo_groups(lane.key("events"))
    pipe.hgetall(lane.key("ledger"))
    pipe.hlen(lane.key("dead"))
    pipe.zcard(lane.key("deadtime"))
    pipe.hkeys(lane.key("deadcauses"))
    for cause in causes:
        pipe.zcard(cause_key(lane.shard, lane.integration, cause.decode()))


def _books(
    lane: Lane,
    stream: Mapping[str, Any],
    group: Mapping[str, Any],
    counts: Counts,
    letters: int,
    by_time: int,
    by_cause: int,
) -> Books:
    # Events that were deleted before the group came to them (`relay forget`): until it is past, Redis cannot count.
    blind = order(stream["max-deleted-entry-id"]) > order(group["last-delivered-id"])
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
        added=int(stream["entries-added"]),
        read=-1 if blind else _known(group["entries-read"]),
        lag=-1 if blind else _known(group["lag"]),
        length=int(stream["length"]),
        letters=letters,
        by_time=by_time,
        by_cause=by_cause,
        properties=counts.properties,
    )


def _known(value: int | None) -> int:
    return -1 if value is None else int(value)


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


def _ask_the_door(source: str, shard: int, pipe: Any) -> None:
    pipe.xinfo_stream(shard_key(shard, "events", source))
    pipe.hget(shard_key(shard, "intake", source), "accepted")


def _at_the_door(client: redis.Redis, source: str, shards: int) -> list[Finding]:
    """Events that are in a stream and did not come through the door, or the other way round."""
    found = []
    for shard in range(shards):
        stream, accepted = read_together(client, partial(_ask_the_door, source, shard))
        if isinstance(stream, Exception):
            continue
        added, through = int(stream["entries-added"]), int(accepted or 0)
        if added != through:
            text = f"{through} events of source {source} came through the door, {added} were added to its stream"
            found.append(Finding("", shard, text))
    return found
