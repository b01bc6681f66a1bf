"""Memory that the settings need at a rate of events: what is kept of each, for how long, against Redis's maxmemory.

Bytes were measured at Purchasely's example payloads, in a server that holds a million events.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import redis

from config.settings import Settings
from worker.errors import ArchiveError, OperatorError
from worker.machine.serverfacts import Fact
from worker.store.archive import open_archive
from worker.store.cluster import nodes_of
from worker.store.keys import shard_key
from worker.store.memory import read_memory

EVENT_BYTES: Final = 1374
ID_BYTES: Final = 77
PERSON_BYTES: Final = 616
# Trimming sets in at this share of what ingest may fill (worker/upkeep/trim.py).
_PRESSED: Final = 0.9
# Less than this says little about the rate of a day.
_SHORTEST_S: Final = 600


def look_at_room(client: redis.Redis, chosen: Settings, sources: list[str], rate: float | None) -> Fact:
    """Whether what the settings ask to keep has room; at the rate given, else at that of the retained events."""
    server: Any = client
    pipe = server.pipeline(transaction=False)
    keys = [shard_key(shard, "events", source) for source in sources for shard in range(chosen.shards)]
    for key in keys:
        pipe.xlen(key)
        pipe.xrange(key, count=1)
    replies = pipe.execute()
    firsts = [int(rows[0][0].partition(b"-")[0]) for rows in replies[1::2] if rows]
    span_s = time.time() - min(firsts) / 1000 if firsts else 0.0
    found = sum(replies[0::2]) / span_s if span_s >= _SHORTEST_S else None
    most = read_memory(client).most_bytes * len(nodes_of(client)) * chosen.max_memory_percent / 100 * _PRESSED
    return judge_room(rate if rate is not None else found, rate is not None, server.dbsize(), most, chosen)


def judge_room(rate: float | None, is_given: bool, people: int, most: float, chosen: Settings) -> Fact:
    """What a rate (events a second) needs against `most` bytes (0: no limit); `people` are known at most."""
    if rate is None:
        text = "not known: too few events are stored to tell a rate"
        return Fact("redis", "room", "ok", text, "relay check --rate EVENTS_PER_SECOND")
    parts = [
        (rate * chosen.retention_s * EVENT_BYTES, f"events ({_days(chosen.retention_s)})"),
        (rate * chosen.dedup_window_s * ID_BYTES, f"event ids ({_days(chosen.dedup_window_s)})"),
        (float(people * PERSON_BYTES), f"{people:,} people"),
    ]
    need = sum(size for size, _ in parts)
    whence = "" if is_given else ", as in the retained events,"
    listed = ", ".join(f"{_size(size)} {what}" for size, what in parts)
    text = f"{rate:,.2g} events/s{whence} need {_size(need)}: {listed}"
    if not most or need <= most:
        return Fact("redis", "room", "ok", text)
    return Fact(
        "redis",
        "room",
        "warning",
        f"{text}; there is {_size(most)}, so the past is shortened",
        _cure(need, most, parts, rate),
    )


def _cure(need: float, most: float, parts: list[tuple[float, str]], rate: float) -> str:
    rest = most - (need - parts[0][0])
    fits_s = int(rest / (rate * EVENT_BYTES)) if rest > 0 else 0
    shorter = f"RELAY_RETENTION_S={fits_s}, or " if fits_s > 0 else ""
    return f"{shorter}raise maxmemory by {_size(need - most)}; RELAY_ARCHIVE_URL keeps what is trimmed"


def look_at_archive(chosen: Settings) -> Iterator[Fact]:
    """Whether the archive can be read, if there should be one."""
    if not chosen.archive_url:
        return
    try:
        archive = open_archive(chosen.archive_url)
        files = len(archive.all()) if archive else 0
    except (ArchiveError, OperatorError) as fault:
        yield Fact("archive", "archive", "wrong", f"{fault}", "until it works nothing is trimmed; see docs/history.md")
        return
    yield Fact("archive", "archive", "ok", f"it can be read, {files:,} files")


def _days(seconds: int) -> str:
    return f"{seconds / 86400:.3g} d"


def _size(size_bytes: float) -> str:
    """A size for people.

    >>> _size(1536 * 1024 * 1024)
    '1.5 GB'
    """
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1024:.0f} kB"
