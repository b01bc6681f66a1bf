"""How far back the past reaches: the oldest event that is kept."""

import redis

from worker.store.entry_id import order
from worker.store.keys import shard_key


def since_ms(client: redis.Redis, sources: list[str], shards: int) -> int | None:
    """When the oldest event that is kept was received (Unix ms); None: none is kept."""
    pipe = client.pipeline(transaction=False)
    for source in sources:
        for shard in range(shards):
            pipe.xrange(shard_key(shard, "events", source), count=1)
    firsts = [order(rows[0][0])[0] for rows in pipe.execute() if rows]
    return min(firsts, default=None)
