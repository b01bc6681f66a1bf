"""What a removed integration or source leaves in Redis: its groups go, and its other keys if its name was given."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from worker.app import Relay
from worker.store.keys import INTEGRATIONS, SOURCES, hold_key, shard_key

log = logging.getLogger(__name__)

# Everyone has taken a revision up by then; whoever has not holds a lane for a request more at most.
GRACE_MS = 15_000

_OF_LANE = (
    *("lease", "wake", "hold", "flight", "ledger", "trail", "changes"),
    *("dead", "deadtime", "deadcauses", "deadtrail", "inhand", "trail", "changes"),
)
_BY_NAME = ("person", "deadcause", "replay", "replayed")


def retire(parts: Relay, *, at_once: bool = False) -> list[str]:
    """Give up what waits for integrations that the revision in force no longer has; their names.

    Only a process that runs the revision in force does it, and only when all others had time to take it up. Dead
    letters, states and books go too where the name was given (`relay config apply --remove`); a file that no longer has
    an integration leaves them to be looked at.
    """
    loaded = parts.live.loaded
    if not loaded.number or loaded.number != parts.revisions.head():
        return []
    gone = _names(parts, INTEGRATIONS) - loaded.integrations.integrations.keys()
    age_ms = _now_ms(parts) - loaded.revision.at_ms
    if not gone or (0 <= age_ms < GRACE_MS and not at_once):
        return []
    groups = list(_groups(parts, gone))
    for key, name in groups:
        parts.redis.xgroup_destroy(key, name)
    agreed = gone & {name for one in parts.revisions.all() for name in one.removed}
    for name in sorted({name for _, name in groups} | agreed):
        log.warning("integration_removed integration=%s revision=%d keys=%s", name, loaded.number, name in agreed)
    if agreed:
        _delete_keys(parts, agreed)
        parts.redis.srem(INTEGRATIONS, *agreed)
    return sorted({name for _, name in groups} | agreed)


def sources(parts: Relay) -> list[str]:
    """The sources of the configuration, and those that were in it once: their streams are still there."""
    known = list(parts.integrations.sources)
    return known + sorted(_names(parts, SOURCES) - set(known))


def drop_empty(parts: Relay) -> None:
    """Delete the streams of removed sources that nobody reads and that hold nothing any more."""
    for source in sorted(_names(parts, SOURCES) - parts.integrations.sources.keys()):
        shards = range(parts.settings.shards)
        keys = [shard_key(shard, "events", source) for shard in shards]
        pipe = parts.redis.pipeline(transaction=False)
        for key in keys:
            pipe.xlen(key)
        if any(pipe.execute()) or any(True for _ in _groups(parts, None, [source])):
            continue
        parts.redis.delete(
            *keys, *(shard_key(shard, kind, source) for shard in shards for kind in ("intake", "forgotten"))
        )
        parts.redis.srem(SOURCES, source)
        log.warning("source_removed source=%s", source)


def _names(parts: Relay, key: str) -> set[str]:
    found: Any = parts.redis.smembers(key)
    return {name.decode() for name in found}


def _now_ms(parts: Relay) -> int:
    seconds, micros = parts.redis.time()
    return int(seconds) * 1000 + int(micros) // 1000


def _groups(parts: Relay, names: set[str] | None, of: Iterable[str] | None = None) -> Iterator[tuple[str, str]]:
    """The groups of these names (None: all) on every stream of these sources (None: all): key and name."""
    keys = [
        shard_key(shard, "events", source)
        for source in (sources(parts) if of is None else of)
        for shard in range(parts.settings.shards)
    ]
    pipe = parts.redis.pipeline(transaction=False)
    for key in keys:
        pipe.xinfo_groups(key)
    for key, reply in zip(keys, pipe.execute(raise_on_error=False), strict=True):
        for group in reply if isinstance(reply, list) else ():
            name = group["name"].decode("utf-8", "replace")
            if names is None or name in names:
                yield key, name


def _delete_keys(parts: Relay, names: set[str]) -> None:
    """Everything kept of integrations, person by person."""
    shards = range(parts.settings.shards)
    for name in names:
        parts.redis.delete(hold_key(name), *(shard_key(shard, kind, name) for shard in shards for kind in _OF_LANE))
    starts = tuple(f":{kind}:{name}:".encode() for name in names for kind in _BY_NAME)
    page: list[bytes] = []
    for key in parts.redis.scan_iter(match="relay:{*", count=1000):
        if key[key.find(b"}") + 1 :].startswith(starts):
            page.append(key)
        if len(page) >= 500:
            parts.redis.unlink(*page)
            page.clear()
    if page:
        parts.redis.unlink(*page)
