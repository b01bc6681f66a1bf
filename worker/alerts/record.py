"""Record of alerts in Redis: what each target was sent, and which process looks after them just now."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import redis

from worker.alerts.staging import Sent
from worker.store.keys import ALERTS, ALERTS_LEASE, CERTIFICATES
from worker.store.scripts import script

_DECODER = msgspec.json.Decoder(Sent)


class AlertRecord:
    """What the processes share, so that each alert is sent once, whoever sends it."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._claim = client.register_script(script("archive_claim"))

    def claim(self, token: str, life_ms: int) -> bool:
        """Take the lease, or prolong it; False: another process looks after the alerts."""
        return bool(self._claim(keys=[ALERTS_LEASE], args=[token, life_ms]))

    def release(self, token: str) -> None:
        """Let the lease go, if it is ours."""
        self._claim(keys=[ALERTS_LEASE], args=[token, 0])

    def known(self, target: str) -> dict[str, Sent]:
        """What a target was sent, by the need's key."""
        found = {}
        for field, raw in self._redis.hgetall(ALERTS).items():
            owner, _, key = field.decode().partition("|")
            if owner == target:
                try:
                    found[key] = _DECODER.decode(raw)
                except msgspec.DecodeError:
                    continue  # of another release: it is sent again
        return found

    def keep(self, target: str, known: Mapping[str, Sent], was: Mapping[str, Sent]) -> None:
        """Note what a target knows now, of what it knew."""
        pipe = self._redis.pipeline(transaction=True)
        for key in was.keys() - known.keys():
            pipe.hdel(ALERTS, f"{target}|{key}")
        for key, sent in known.items():
            if was.get(key) != sent:
                pipe.hset(ALERTS, f"{target}|{key}", msgspec.json.encode(sent))
        pipe.execute()

    def forget(self, targets: Iterable[str]) -> None:
        """Drop what is known of all but these targets."""
        kept = set(targets)
        gone = [field for field in self._redis.hkeys(ALERTS) if field.decode().partition("|")[0] not in kept]
        if gone:
            self._redis.hdel(ALERTS, *gone)

    def note_certificates(self, until_ms: Mapping[str, int]) -> None:
        """Keep when each certificate ends (Unix ms), for those who only read."""
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(CERTIFICATES)
        if until_ms:
            pipe.hset(CERTIFICATES, mapping=dict(until_ms))
        pipe.execute()
