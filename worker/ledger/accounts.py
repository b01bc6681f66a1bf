"""The books: for each integration what was accepted, delivered, filtered, buried, and what still waits."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import redis

from config.integrations import Integrations
from worker.ledger.counts import read_counts, unaccounted
from worker.store.entry_id import received_ms
from worker.store.holds import Hold
from worker.store.keys import shard_key
from worker.store.stream import Lane, read_range, read_together


class Account(msgspec.Struct):
    """One integration over all shards; counts of events.

    `accepted` is what its source's streams took since the integration joined; `oldest_ms` the age of the oldest
    waiting event in milliseconds (0: none waits); `latency` counts deliveries by upper bound in milliseconds.
    `properties` are dead letters about what an event says of its person; the event itself counts as delivered (or
    filtered), so they are no part of the sum. `send` false: it is in shadow, and `filtered` has what would have been
    sent under `shadow`.
    """

    integration: str
    source: str
    enabled: bool
    send: bool = True
    hold: Hold | None = None
    accepted: int = 0
    delivered: int = 0
    filtered: dict[str, int] = {}
    dead: int = 0
    waiting: int = 0
    oldest_ms: int = 0
    latency: dict[str, int] = {}
    properties: int = 0

    @property
    def unaccounted(self) -> int:
        """What the books cannot explain: 0, always."""
        return unaccounted(self.accepted, self.delivered, sum(self.filtered.values()), self.dead, self.waiting)


def accounts(client: redis.Redis, config: Integrations, holds: Mapping[str, Hold], shards: int) -> list[Account]:
    """The accounts of all integrations, from one pass over the shards; `holds` are theirs."""
    now_ms = time.time_ns() // 1_000_000
    found = []
    for integration in config.integrations.values():
        hold = holds.get(integration.name)
        account = Account(integration.name, integration.source, integration.enabled, integration.send, hold)
        for shard in range(shards):
            lane = Lane(integration.source, integration.name, shard)
            _add(client, account, lane.key("events"), lane.key("ledger"), now_ms)
        found.append(account)
    return found


def _add(client: redis.Redis, account: Account, stream: str, ledger: str, now_ms: int) -> None:
    """Add one shard; its figures are taken in one transaction, so that they fit together."""

    def ask(pipe: Any) -> None:
        pipe.xinfo_stream(stream)
        pipe.xinfo_groups(stream)
        pipe.hgetall(ledger)

    info, groups, fields = read_together(client, ask)
    if isinstance(info, Exception) or isinstance(groups, Exception):
        return  # nothing was ever stored here
    group: dict[str, Any] = next((g for g in groups if g["name"].decode() == account.integration), {})
    if not group:
        return
    counts = read_counts(fields, int(info["entries-added"]))
    account.accepted += counts.accepted
    account.delivered += counts.delivered
    account.dead += counts.dead
    account.properties += counts.properties
    account.waiting += counts.waiting
    for total, here in ((account.filtered, counts.filtered), (account.latency, counts.latency)):
        for what, count in here.items():
            total[what] = total.get(what, 0) + count
    cursor = group["last-delivered-id"].decode()
    if info["last-generated-id"].decode() != cursor:
        for entry_id, _ in read_range(client, stream, f"({cursor}", count=1):
            account.oldest_ms = max(account.oldest_ms, now_ms - received_ms(entry_id))


def intake(client: redis.Redis, sources: Iterable[str], shards: int) -> dict[str, dict[str, int]]:
    """Accepted, duplicate and (among the accepted) conflicting events of each source."""
    totals: dict[str, dict[str, int]] = {}
    for source in sources:
        pipe = client.pipeline(transaction=False)
        for shard in range(shards):
            pipe.hgetall(shard_key(shard, "intake", source))
        total = {"accepted": 0, "duplicates": 0, "conflicting": 0}
        for row in pipe.execute():
            for name, value in row.items():
                total[name.decode()] = total.get(name.decode(), 0) + int(value)
        totals[source] = total
    return totals
