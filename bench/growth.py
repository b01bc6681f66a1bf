"""How the cost of an event grows: with people, integrations, shards, and what is known already.

    python -m bench.growth [--rounds 3]

CPU microseconds of the worker per event and integration, medians of the rounds; the settings take turns.
"""

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from bench.delivery import full
from bench.setting import Setting, machine, onlookers

COUNT = 48_000


@contextmanager
def _setting(**facts: int) -> Iterator[Setting]:
    with onlookers(), Setting(port=8491, **facts) as setting:
        yield setting


def _people(people: int) -> float:
    with _setting() as setting:
        return full(setting, COUNT, people)["cpu_us_per_event"]


def _known() -> float:
    with _setting() as setting:
        full(setting, COUNT, COUNT // 3)
        return full(setting, COUNT, COUNT // 3, fresh=False)["cpu_us_per_event"]


def _integrations(integrations: int) -> float:
    with _setting(integrations=integrations) as setting:
        return full(setting, COUNT // integrations, COUNT // 3 // integrations)["cpu_us_per_event"]


def _shards(shards: int) -> float:
    with _setting(shards=shards) as setting:
        return full(setting, COUNT, COUNT // 3)["cpu_us_per_event"]


CASES = {
    "one person": lambda: _people(1),
    "100 people": lambda: _people(100),
    f"{COUNT // 3:,} people, none known before": lambda: _people(COUNT // 3),
    f"{COUNT // 3:,} people, all known before": _known,
    "2 integrations": lambda: _integrations(2),
    "4 integrations": lambda: _integrations(4),
    "1 shard": lambda: _shards(1),
    "16 shards": lambda: _shards(16),
    "64 shards": lambda: _shards(64),
}


def growth(rounds: int) -> dict[str, float]:
    """The median of each case."""
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, measure in CASES.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    for name, cpu_us in growth(parser.parse_args().rounds).items():
        print(f"| {name} | {cpu_us:.1f} |", flush=True)
    print(f"measured on {machine()}")


if __name__ == "__main__":
    main()
