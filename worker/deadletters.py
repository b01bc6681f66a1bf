"""What could not be delivered: how it is kept, listed and shown."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import redis

from worker.event import Event, shard_key
from worker.keys import shard_key as key_of
from worker.outcome import Dead
from worker.sending import Attempt
from worker.stream import Burial, Lane

# The bounds of one record: a dead letter must never be what fills the server.
_ATTEMPTS_KEPT = 20


def letter_id(lane: Lane, entry_id: str) -> str:
    """The id of a dead letter, the same however often the event dies: integration, shard and entry."""
    return f"{lane.integration}.{lane.shard}.{entry_id}"


def bury(
    lane: Lane,
    entry_id: str,
    raw: bytes,
    event: Event | None,
    dead: Dead,
    *,
    operations: Sequence[bytes],
    attempts: Sequence[Attempt],
    revision: str,
    died_ms: int,
) -> Burial:
    """The dead letter of an event, ready for the settle that writes it."""
    name = event.name if event else ""
    about = {"reason": dead.reason, "field": dead.field, "status": dead.status, "event": name[:100]}
    cause = hashlib.blake2b(orjson.dumps(about), digest_size=6).hexdigest()
    record: dict[str, Any] = {
        "id": letter_id(lane, entry_id),
        "integration": lane.integration,
        "source": lane.source,
        "shard": lane.shard,
        "cause": cause,
        **about,
        "stage": dead.stage,
        "words": dead.words,
        "person": shard_key(event.payload) if event else "",
        "event_id": event.key if event else "",
        "event_time_ms": event.time_ms if event else None,
        "received_ms": int(entry_id.partition("-")[0]),
        "died_ms": died_ms,
        "revision": revision,
        "attempts": [
            {"at_ms": a.at_ms, "status": a.status, "words": a.words, "took_ms": a.took_ms}
            for a in attempts[-_ATTEMPTS_KEPT:]
        ],
        "operations": [body.decode() for body in operations],
        **_raw_fields(raw),
    }
    return Burial(record["id"], cause, orjson.dumps(about), died_ms, orjson.dumps(record))


def _raw_fields(raw: bytes) -> dict[str, str]:
    try:
        return {"raw": raw.decode()}
    except UnicodeDecodeError:
        return {"raw_base64": base64.b64encode(raw).decode()}


def raw_of(record: dict[str, Any]) -> bytes:
    """The bytes received, out of a record."""
    if "raw_base64" in record:
        return base64.b64decode(record["raw_base64"])
    raw: str = record["raw"]
    return raw.encode()


class DeadLetters:
    """The dead letters of all integrations."""

    def __init__(self, client: redis.Redis, shards: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards

    def show(self, dead_id: str) -> dict[str, Any] | None:
        """One dead letter, or None."""
        integration, shard, _ = split_id(dead_id)
        record = self._redis.hget(key_of(shard, "dead", integration), dead_id)
        return orjson.loads(record) if record else None

    def newest(self, integration: str, limit: int) -> list[dict[str, Any]]:
        """The newest dead letters of an integration, newest first."""
        pipe = self._redis.pipeline(transaction=False)
        for shard in range(self._shards):
            pipe.zrevrange(key_of(shard, "deadtime", integration), 0, limit - 1, withscores=True)
        ids = sorted((pair for row in pipe.execute() for pair in row), key=lambda pair: -pair[1])[:limit]
        return [letter for dead_id, _ in ids if (letter := self.show(dead_id.decode()))]

    def ids(self, integration: str) -> Iterator[str]:
        """The ids of an integration's dead letters, oldest first within a shard."""
        for shard in range(self._shards):
            for dead_id in self._redis.zrange(key_of(shard, "deadtime", integration), 0, -1):
                yield dead_id.decode()


def split_id(dead_id: str) -> tuple[str, int, str]:
    """Integration, shard and entry of an id.

    Raises:
        ValueError: it is no id of a dead letter.
    """
    integration, shard, entry_id = dead_id.split(".")
    if not shard.isdigit() or not entry_id.replace("-", "", 1).isdigit():
        raise ValueError(dead_id)
    return integration, int(shard), entry_id
