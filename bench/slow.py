"""A destination that takes its time: what one worker process delivers while each answer takes 0, 100 or 300 ms.

python -m bench.slow [POOL] [CONCURRENCY] [SHARDS]      threads, 32 and 64 by default
"""

import sys

from bench.delivery import full
from bench.setting import Setting, machine, onlookers

EVENTS = 120_000


def slow(
    pool: str = "threads", concurrency: int = 32, shards: int = 64, after_ms: float = 100, round_trip_ms: float = 0
) -> dict[str, float]:
    """Events a second, and the same for each GB of memory."""
    with onlookers(), Setting(port=8496, shards=shards, after_ms=after_ms) as setting:
        if round_trip_ms:
            setting.away(round_trip_ms)
        found = full(setting, EVENTS, EVENTS // 3, concurrency, pool=pool)
    return found | {"events_per_s_per_gb": found["events_per_s"] / found["memory_mib"] * 2**10}


if __name__ == "__main__":
    print(machine())
    pool, concurrency, shards = [*sys.argv[1:], *("threads", "32", "64")[len(sys.argv) - 1 :]]
    for after_ms in (0, 100, 300):
        found = slow(pool, int(concurrency), int(shards), after_ms)
        print(f"{pool} × {concurrency}, {shards} shards, an answer after {after_ms} ms:", end=" ")
        print(", ".join(f"{name} {value:,.0f}" for name, value in found.items()), flush=True)
