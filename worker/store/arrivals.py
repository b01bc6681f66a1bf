"""Arrivals by event code: how many came in each hour of the last days, and when the last one did.

Counted by reading the streams again, off the hot path, with a cursor for each of them; so it may be some seconds
behind, and what was trimmed before it was counted is missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import redis

from worker.store.keys import arrivals_key
from worker.store.scripts import pack, script

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
DAYS: Final = 7
_LIFE_S: Final = (DAYS + 2) * 86_400
# Some fifty codes in 24 hours and two environments are 2400; a sender that invents codes must not fill the memory.
_FIELDS: Final = 10_000

Coded = tuple[str, str]
"""An environment and an event code."""


class Seen(msgspec.Struct, frozen=True):
    """Events of one code in the last seven days: how many, when the last one came (Unix ms), and each day's."""

    events: int
    last_ms: int | None
    days: tuple[int, ...] = ()


class Arrivals:
    """The counts in Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._count = client.register_script(script("arrivals"))

    def cursors(self, source: str) -> dict[int, str]:
        """The last entry counted of each shard's stream."""
        found = self._redis.hgetall(arrivals_key("cursors", source))
        return {int(shard): entry.decode() for shard, entry in found.items()}

    def count(
        self,
        source: str,
        shard: int,
        was: str,
        now: str,
        hours: Mapping[int, Mapping[Coded, int]],
        newest: Mapping[Coded, int],
    ) -> bool:
        """Add counts by hour (number of hours since 1970) of the entries behind `was` up to `now`; False: another did.

        `newest` is when the last event of each came (Unix ms).
        """
        days: dict[int, dict[str, int]] = {}
        for hour, counts in hours.items():
            fields = days.setdefault(hour // 24, {})
            fields.update({f"{hour % 24} {env} {code}": n for (env, code), n in counts.items()})
        keys = [arrivals_key("cursors", source), arrivals_key("newest", source)]
        keys += [arrivals_key(f"day:{day}", source) for day in days]
        seen = {"days": list(days.values()), "newest": {f"{env} {code}": str(ms) for (env, code), ms in newest.items()}}
        return bool(self._count(keys=keys, args=[str(shard), was, now, _LIFE_S, _FIELDS, pack(seen)]))

    def week(self, source: str, environments: Iterable[str], now_ms: int) -> dict[str, Seen]:
        """What came from a source in the last seven days in these environments, by code."""
        wanted, hour_now = set(environments), now_ms // HOUR_MS
        first_day = (hour_now - 24 * DAYS) // 24
        pipe = self._redis.pipeline(transaction=False)
        numbers = range(first_day, hour_now // 24 + 1)
        for day in numbers:
            pipe.hgetall(arrivals_key(f"day:{day}", source))
        pipe.hgetall(arrivals_key("newest", source))
        *days, newest = pipe.execute()
        counts: dict[str, list[int]] = {}
        for day, fields in zip(numbers, days, strict=True):
            for field, count in fields.items():
                hour, environment, code = field.decode().split(" ", 2)
                age = (hour_now - (day * 24 + int(hour))) // 24
                if environment in wanted and 0 <= age < DAYS:
                    counts.setdefault(code, [0] * DAYS)[DAYS - 1 - age] += int(count)
        last: dict[str, int] = {}
        for field, ms in newest.items():
            environment, _, code = field.decode().partition(" ")
            if environment in wanted:
                last[code] = max(last.get(code, 0), int(ms))
        return {
            code: Seen(sum(counts.get(code, ())), last.get(code), tuple(counts.get(code, [0] * DAYS)))
            for code in sorted({*counts, *last})
        }
