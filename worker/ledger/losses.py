"""Losses: events that Redis lost after they were answered with 200, and how many of them did not come back."""

from collections.abc import Iterator, Mapping

import msgspec
import redis

from worker.store.keys import shard_key
from worker.store.tally import Tallies

ACKNOWLEDGED = "acknowledged"


class Loss(msgspec.Struct, frozen=True):
    """What a source's streams lost, and how much of that came back from the web doors' memory; counts of events.

    `acknowledged` is how much of the rest an operator knows of.
    """

    source: str
    lost: int = 0
    restored: int = 0
    acknowledged: int = 0

    @property
    def gone(self) -> int:
        """What did not come back, and nobody has acknowledged."""
        return max(0, self.lost - self.restored - self.acknowledged)

    @property
    def message(self) -> str:
        """What happened and what to do now."""
        return (
            f"Redis lost {self.lost:,} events of source {self.source} after their 200 (fail-over, "
            f"restart, FLUSHALL); {self.restored:,} came back from the web doors' memory, {self.gone:,} did not: "
            "docs/high-availability.md says what to do"
        )


def losses(tallies: Tallies) -> Iterator[tuple[int, Loss]]:
    """What each source lost that is gone for good, with the shard that lost most of it.

    Of all shards together: what one has lost may have come back on another one, when their number grew.
    """
    by_source: dict[str, dict[int, Loss]] = {}
    for (source, shard), one in tallies.items():
        by_source.setdefault(source, {})[shard] = read_loss(source, one.intake)
    for source, by_shard in by_source.items():
        every = by_shard.values()
        found = Loss(
            source,
            sum(one.lost for one in every),
            sum(one.restored for one in every),
            sum(one.acknowledged for one in every),
        )
        if found.gone:
            yield max(by_shard, key=lambda shard: by_shard[shard].lost - by_shard[shard].restored), found


def read_loss(source: str, intake: Mapping[str, str | int]) -> Loss:
    """The loss that an intake tells of."""
    return Loss(source, *(int(intake.get(name, 0)) for name in ("lost", "restored", ACKNOWLEDGED)))


def acknowledge(client: redis.Redis, tallies: Tallies) -> int:
    """Note that an operator knows of all that is gone; how many events that are."""
    found = list(losses(tallies))
    for shard, one in found:
        client.hincrby(shard_key(shard, "intake", one.source), ACKNOWLEDGED, one.gone)
    return sum(one.gone for _, one in found)
