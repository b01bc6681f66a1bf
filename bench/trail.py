"""What the trail costs: delivery with it and without it in turns, and its memory beside that of the streams."""

import statistics
import sys

from bench.delivery import full
from bench.setting import SHARDS, Setting, onlookers


def memory_share(setting: Setting) -> float:
    """The trail's memory, as a share of that of the events that it is about."""

    def size(kind: str, name: str) -> int:
        keys = [f"relay:{{{shard}}}:{kind}:{name}" for shard in range(SHARDS)]
        return sum(setting.redis.memory_usage(key, samples=0) or 0 for key in keys)

    return size("trail", "production") / size("events", "app")


def trail(rounds: int = 5, count: int = 60_000, people: int = 20_000) -> dict[str, float]:
    """Rate and CPU with the trail over those without, medians of the rounds; memory over that of the streams."""
    rates, cpus, shares = [], [], []
    with onlookers(), Setting(port=8492) as setting:
        for number in range(rounds):
            apps = ["worker.tasks", "bench.untrailed"]
            found = {app: full(setting, count, people, app=app) for app in (apps if number % 2 else reversed(apps))}
            with_trail, without = found["worker.tasks"], found["bench.untrailed"]
            rates.append(with_trail["events_per_s"] / without["events_per_s"])
            cpus.append(with_trail["cpu_us_per_event"] / without["cpu_us_per_event"])
            full(setting, count, people)
            shares.append(memory_share(setting))
    return {
        "rate_ratio": statistics.median(rates),
        "cpu_ratio": statistics.median(cpus),
        "memory_share": statistics.median(shares),
    }


if __name__ == "__main__":
    print(trail(*[int(one) for one in sys.argv[1:]]))
