"""The books: for each integration what was accepted, delivered, filtered, buried, and what still waits."""

import time
from collections.abc import Collection, Mapping

import msgspec

from config.integrations import Integrations
from worker.ledger.counts import Counts, read_counts, unaccounted
from worker.store.entry_id import received_ms
from worker.store.holds import Hold
from worker.store.tally import GroupTally, Tallies

_INTAKE = ("accepted", "duplicates", "conflicting", "lost", "restored", "acknowledged")


class Account(msgspec.Struct):
    """One integration over all shards; counts of events.

    `accepted` is what its source's streams took since the integration joined; `oldest_ms` the age of the oldest
    waiting event in milliseconds (0: none waits); `latency` counts deliveries by upper bound in milliseconds,
    `latency_ms` are the milliseconds of all.
    `properties` are dead letters about what an event says of its person; the event itself counts as delivered (or
    filtered), so they are no part of the sum. `send` false: it is in shadow, and `filtered` has what would have been
    sent under `shadow`. `unserved`: no worker has its secret.
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
    latency_ms: int = 0
    unserved: bool = False

    @property
    def unaccounted(self) -> int:
        """What the books cannot explain: 0, always."""
        return unaccounted(self.accepted, self.delivered, sum(self.filtered.values()), self.dead, self.waiting)


def accounts(
    tallies: Tallies, config: Integrations, holds: Mapping[str, Hold], unserved: Collection[str] = ()
) -> list[Account]:
    """The accounts of all integrations, from the tallies of all shards; `holds` are theirs, `unserved` some of them."""
    now_ms = time.time_ns() // 1_000_000
    found = {
        one.name: Account(
            one.name, one.source, one.enabled, one.send, holds.get(one.name), unserved=one.name in unserved
        )
        for one in config.integrations.values()
    }
    for one in tallies.values():
        for group in one.groups:
            account = found.get(group.name)
            if account and one.added >= 0 and group.cursor:  # else nothing was ever stored here
                _add(account, group, read_counts(group.ledger, one.added), now_ms)
    return list(found.values())


def _add(account: Account, group: GroupTally, counts: Counts, now_ms: int) -> None:
    """Add one shard."""
    account.accepted += counts.accepted
    account.delivered += counts.delivered
    account.dead += counts.dead
    account.properties += counts.properties
    account.waiting += counts.waiting
    account.latency_ms += counts.late_ms_sum
    for total, here in ((account.filtered, counts.filtered), (account.latency, counts.latency)):
        for what, count in here.items():
            total[what] = total.get(what, 0) + count
    if group.following:
        account.oldest_ms = max(account.oldest_ms, now_ms - received_ms(group.following))


def intake(tallies: Tallies) -> dict[str, dict[str, int]]:
    """Accepted, duplicate and (among the accepted) conflicting events of each source; lost and restored ones."""
    totals: dict[str, dict[str, int]] = {}
    for (source, _), one in tallies.items():
        total = totals.setdefault(source, dict.fromkeys(_INTAKE, 0))
        for name, value in one.intake.items():
            total[name] = total.get(name, 0) + int(value)
    return totals
