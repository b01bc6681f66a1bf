"""What an event costs that has more than the documented fields: to read and decide on it, against one that has not.

python -m bench.fields
"""

import json
import time
from collections.abc import Mapping

from bench.setting import INTEGRATIONS, SAMPLE, event
from config.integrations import parse
from worker.mapping.mapper import Mapper
from worker.purchasely import event as events
from worker.purchasely.documented import FIELDS
from worker.purchasely.event import read_event
from worker.purchasely.learnt import Learner

EVENTS, NOW_MS = 3_000, 1_764_115_200_000
EXCLUDED = "two fields excluded"  # by the integration, of what is documented
CASES: dict[str, dict[str, object]] = {
    "documented": {},
    "purchase_token": {"purchase_token": "x" * 140},
    "a new field and a currency": {"new": "a", "cumulated_revenues_in_gbp": 9.9},
    "a null": {"ab_test": None},
    "a null for each field that is absent": dict.fromkeys(sorted(FIELDS - {*SAMPLE})),
    EXCLUDED: {},
}


def _mapper(more: str) -> Mapper:
    """The mapper of the usual integration, with one more line."""
    text = INTEGRATIONS.replace("{port}", "1").replace('region = "eu"', f'region = "eu"\n{more}')
    return Mapper(parse(text, "bench", {"B_TOKEN": "x", "B_KEY": "x"}).integrations["production"])


def _cpu_us(mapper: Mapper, more: Mapping[str, object]) -> float:
    """CPU microseconds an event, on one pass over all."""
    raws = [event(number, EVENTS) for number in range(EVENTS)]
    if more:
        raws = [json.dumps(json.loads(raw) | more, separators=(",", ":")).encode() for raw in raws]
    events.LEARNER = Learner()  # what it learns of one case would cost the others
    read_event(f"{NOW_MS}-0", raws[0])
    began_s = time.process_time()
    for number, raw in enumerate(raws):
        mapper.decide(read_event(f"{NOW_MS}-{number}", raw), NOW_MS)
    return (time.process_time() - began_s) / EVENTS * 1e6


def fields(rounds: int = 15) -> dict[str, float]:
    """CPU microseconds an event of each case: the least of the rounds, which take turns, since all else adds to it."""
    mapper, choosing = _mapper(""), _mapper('event_attributes.exclude = ["device_id", "store_country"]')
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, more in CASES.items():
            found[name].append(_cpu_us(choosing if name == EXCLUDED else mapper, more))
    return {name: min(values) for name, values in found.items()}


if __name__ == "__main__":
    for case, cpu_us in fields().items():
        print(f"{case}: {cpu_us:.2f} µs", flush=True)
