"""A lane: one integration on one shard, and its keys."""

import msgspec

from config.integrations import Integrations
from worker.store.keys import shard_key


class Lane(msgspec.Struct, frozen=True):
    """One integration on one shard: what a lease is for."""

    source: str
    integration: str
    shard: int

    def key(self, kind: str) -> str:
        """The lane's key of that kind."""
        return shard_key(self.shard, kind, self.source if kind == "events" else self.integration)


def lanes_of(config: Integrations, shards: int) -> list[Lane]:
    """Every integration of a configuration on every shard of its source."""
    return [Lane(one.source, one.name, shard) for one in config.integrations.values() for shard in range(shards)]
