"""Append of one event by a process that is no web door: the same script, the same ids, so nothing is stored twice."""

import time
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec
import redis

from worker.purchasely.event import CONFLICT_MARK
from worker.store.dedup import bucket_s, id_digest, tables
from worker.store.keys import layout_key, shard_key
from worker.store.scripts import script
from worker.store.stream import WAKE_MS


class Appended(msgspec.Struct, frozen=True):
    """Whether an event was new, its entry (empty: it was known), the integrations whose lane is to be woken for it."""

    stored: bool
    entry: str
    wake: tuple[str, ...]


def append_event(
    client: redis.Redis,
    source: str,
    shard: int,
    integrations: Sequence[str],
    key: str,
    about: str,
    raw: bytes,
    dedup_window_s: int,
    epoch: int = 1,
) -> Appended:
    """Store an event; `key` and `about` are what makes it the same one again, as the web door reads them.

    `epoch` is that of the layout by which `shard` was found.

    Raises:
        redis.RedisError: it may not be stored; another layout may be in force.
    """
    server: Any = client
    keys, args = append_call(source, shard, integrations, [(key, about, raw)], dedup_window_s, epoch)
    reply: bytes = server.register_script(script("append"))(keys=keys, args=args)
    marks = reply[1 : 1 + len(integrations)]
    due = tuple(name for name, mark in zip(integrations, marks, strict=True) if mark == ord("1"))
    entry = reply[1 + len(integrations) :].split(b" ")[-1].decode()  # the last one, and the only one
    return Appended(reply[:1] == b"1", entry if reply[:1] == b"1" else "", due)


def append_call(
    source: str,
    shard: int,
    integrations: Sequence[str],
    events: Sequence[tuple[str, str, bytes]],
    dedup_window_s: int,
    epoch: int = 1,
) -> tuple[list[str], list[Any]]:
    """Keys and arguments of the script that appends these events, each a key, what it is about, and its bytes."""
    life_s = bucket_s(dedup_window_s)
    bucket = int(time.time()) // life_s
    keys = [shard_key(shard, "events", source)]
    keys += [table for kind in ("ids", "seen") for table in tables(shard, kind, source, bucket)]
    keys += [shard_key(shard, "intake", source), layout_key(shard)]
    for integration in integrations:
        keys += [shard_key(shard, kind, integration) for kind in ("lease", "wake", "hold")]
    args: list[Any] = [life_s * 3, WAKE_MS, len(integrations), CONFLICT_MARK, epoch, 0]
    for key, about, raw in events:
        args += [id_digest(key), crc32(about.encode()).to_bytes(4), raw]
    return keys, args
