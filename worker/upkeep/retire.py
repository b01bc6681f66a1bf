"""Retirement of an integration or source: its groups go, and its other keys if its name was given."""

from collections.abc import Iterable, Iterator
from typing import Any

import redis

from worker.process.eventlog import EventLog
from worker.revisions.live import Loaded
from worker.revisions.store import Revisions
from worker.store.clock import server_ms
from worker.store.keys import INTEGRATIONS, SOURCES, hold_key, shard_key

log = EventLog(__name__)

# Everyone has taken a revision up by then; whoever has not holds a lane for a request more at most.
GRACE_MS = 15_000

_OF_LANE = (
    *("lease", "wake", "hold", "flight", "ledger", "trail", "changes"),
    *("dead", "deadtime", "deadcauses", "deadtrail", "inhand", "trail", "changes"),
)
_BY_NAME = ("person", "deadcause", "replay", "replayed", "carried")


class Retirement:
    """Deals with what is no longer in the configuration; `config` is the one in force as this process runs it."""

    def __init__(self, client: redis.Redis, revisions: Revisions, loaded: Loaded, shards: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._revisions = revisions
        self._loaded = loaded
        self._config = loaded.integrations
        self._shards = shards

    def retire(self, *, at_once: bool = False) -> list[str]:
        """Give up what waits for integrations that the revision in force no longer has; their names.

        Only a process that runs the revision in force does it, and only when all others had time to take it up. Dead
        letters, states and books go too where the name was given (`relay config apply --remove`); a file that no longer
        has an integration leaves them to be looked at.
        """
        number = self._loaded.number
        if not number or self._revisions.in_force(self._loaded.revision) != (number, True):
            return []
        gone = self._names(INTEGRATIONS) - self._config.integrations.keys()
        age_ms = server_ms(self._redis) - self._loaded.revision.at_ms
        if not gone or (0 <= age_ms < GRACE_MS and not at_once):
            return []
        groups = list(self._groups(self.sources(), gone))
        for key, name in groups:
            self._redis.xgroup_destroy(key, name)
        agreed = gone & {name for one in self._revisions.all() for name in one.removed}
        removed = sorted({name for _, name in groups} | agreed)
        for name in removed:
            log.warning("integration_removed", integration=name, revision=number, keys=name in agreed)
        if agreed:
            self._delete_keys(agreed)
            self._redis.srem(INTEGRATIONS, *agreed)
        return removed

    def sources(self) -> list[str]:
        """The sources of the configuration, and those that were in it once: their streams are still there."""
        known = list(self._config.sources)
        return known + sorted(self._names(SOURCES) - set(known))

    def drop_empty(self) -> None:
        """Delete the streams of removed sources that nobody reads and that hold nothing any more."""
        for source in sorted(self._names(SOURCES) - self._config.sources.keys()):
            shards = range(self._shards)
            keys = [shard_key(shard, "events", source) for shard in shards]
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.xlen(key)
            if any(pipe.execute()) or any(True for _ in self._groups([source])):
                continue
            others = [shard_key(shard, kind, source) for shard in shards for kind in ("intake", "forgotten")]
            self._redis.delete(*keys, *others)
            self._redis.srem(SOURCES, source)
            log.warning("source_removed", source=source)

    def _names(self, key: str) -> set[str]:
        return {name.decode() for name in self._redis.smembers(key)}

    def _groups(self, of: Iterable[str], names: set[str] | None = None) -> Iterator[tuple[str, str]]:
        """The groups of these names (None: all) on every stream of these sources: key and name."""
        keys = [shard_key(shard, "events", source) for source in of for shard in range(self._shards)]
        pipe = self._redis.pipeline(transaction=False)
        for key in keys:
            pipe.xinfo_groups(key)
        for key, reply in zip(keys, pipe.execute(raise_on_error=False), strict=True):
            for group in reply if isinstance(reply, list) else ():
                name = group["name"].decode("utf-8", "replace")
                if names is None or name in names:
                    yield key, name

    def _delete_keys(self, names: set[str]) -> None:
        """Everything kept of integrations, person by person."""
        shards = range(self._shards)
        for name in names:
            kinds = [shard_key(shard, kind, name) for shard in shards for kind in _OF_LANE]
            self._redis.delete(hold_key(name), *kinds)
        starts = tuple(f":{kind}:{name}:".encode() for name in names for kind in _BY_NAME)
        page: list[bytes] = []
        for key in self._redis.scan_iter(match="relay:{*", count=1000):
            if key[key.find(b"}") + 1 :].startswith(starts):
                page.append(key)
            if len(page) >= 500:
                self._redis.unlink(*page)
                page.clear()
        if page:
            self._redis.unlink(*page)
