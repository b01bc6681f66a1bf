"""Holds: which integrations wait, why, and until when; set by a failing destination, a wrong key or an operator."""

import random
import time
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import redis

from worker.process.eventlog import EventLog
from worker.store.keys import hold_key, shard_key
from worker.store.scripts import script

log = EventLog(__name__)

HoldKind = Literal["unauthorized", "unreachable", "misdirected", "dead_limit", "unknown_state", "operator"]


class Hold(msgspec.Struct, frozen=True):
    """A hold: what kind, who set it, since when (ms), failed tries, next probe (ms; 0: never), Customer.io's answer.

    `fingerprint` is that of the key and address that were used.
    """

    kind: str
    by: str
    since_ms: int
    failures: int
    next_probe_ms: int
    status: int
    message: str
    fingerprint: str = ""

    def is_over(self, fingerprint: str) -> bool:
        """Whether its cause is gone: another key after a refused one, another address after a wrong one."""
        key, _, address = self.fingerprint.partition("/")
        new_key, _, new_address = fingerprint.partition("/")
        if not self.fingerprint or self.by != "relay":
            return False
        if self.kind == "unauthorized":
            return (key, address) != (new_key, new_address)
        return self.kind == "misdirected" and address != new_address


class Holds:
    """The holds of all integrations: one record each, and a mark in every shard for `append` and `take`."""

    def __init__(self, client: redis.Redis, shards: int, first_ms: int, longest_ms: int) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._shards = shards
        self._first_ms = first_ms
        self._longest_ms = longest_ms
        self._hold = client.register_script(script("hold"))
        self._claim = client.register_script(script("claim"))
        self._resume = client.register_script(script("resume"))
        self._mark = client.register_script(script("mark"))

    def hold(
        self,
        integration: str,
        kind: HoldKind,
        now_ms: int,
        *,
        status: int = 0,
        message: str = "",
        probe: bool = False,
        fingerprint: str = "",
    ) -> None:
        """Hold an integration; after a failed probe the wait until the next one doubles (jittered, bounded).

        `fingerprint` tells the key and address that were used from later ones.
        """
        by = "operator" if kind == "operator" else "relay"
        dice = random.random()  # noqa: S311 - spreads probes in time
        args = [
            now_ms,
            kind,
            status,
            message,
            by,
            "1" if probe else "0",
            self._first_ms,
            self._longest_ms,
            dice,
            fingerprint,
        ]
        self._hold(keys=[hold_key(integration)], args=args)
        self._mark_shards(integration)

    def mark_all(self, integration: str) -> None:
        """Mark every shard, if the integration is held: there may be more shards since."""
        if self.get([integration]):
            self._mark_shards(integration)

    def _mark_shards(self, integration: str) -> None:
        self.mark([(integration, shard) for shard in range(self._shards)])

    def mark(self, lanes: Iterable[tuple[str, int]]) -> None:
        """Mark these shards of integrations that are held."""
        pipe = self._redis.pipeline(transaction=False)
        for integration, shard in lanes:
            self._mark(keys=[shard_key(shard, "hold", integration)], args=[0], client=pipe)
        pipe.execute()

    def resume(self, integration: str, by: Literal["relay", "operator"] = "relay") -> bool:
        """End a hold; False when there was none, or when it is an operator's and the relay would end it."""
        ended = self._resume(keys=[hold_key(integration)], args=[by])
        if ended < 0:
            return False
        pipe = self._redis.pipeline(transaction=False)
        for shard in range(self._shards):
            pipe.delete(shard_key(shard, "hold", integration))
        pipe.execute()
        return bool(ended)

    def get(self, integrations: Iterable[str]) -> dict[str, Hold]:
        """The holds of those integrations that are held."""
        names = list(integrations)
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(hold_key(name))
        return {name: _hold(row) for name, row in zip(names, pipe.execute(), strict=True) if row}

    def claim_probe(self, integration: str, now_ms: int, claim_ms: int) -> bool:
        """Claim the probe, if one is due and unclaimed; the next one is then put off by `claim_ms`."""
        return bool(self._claim(keys=[hold_key(integration)], args=[now_ms, claim_ms, self._longest_ms]))


class IntegrationHold:
    """The hold of one integration, as what delivers to it sets and ends it."""

    def __init__(self, holds: Holds, integration: str, fingerprint: str) -> None:
        self._holds = holds
        self._integration = integration
        self._fingerprint = fingerprint

    def hold(self, kind: HoldKind, *, status: int, message: str, probe: bool) -> None:
        """Hold the integration; `probe`: what failed was a probe of a held one."""
        now_ms = time.time_ns() // 1_000_000
        self._holds.hold(
            self._integration,
            kind,
            now_ms,
            status=status,
            message=message,
            probe=probe,
            fingerprint=self._fingerprint,
        )
        log.warning("integration_held", integration=self._integration, kind=kind, status=status, probe=probe)

    def resume(self) -> None:
        """End the hold, if there is one."""
        if self._holds.resume(self._integration):
            log.info("integration_resumed", integration=self._integration)


def _hold(row: dict[bytes, bytes]) -> Hold:
    text = {key.decode(): value.decode("utf-8", "replace") for key, value in row.items()}
    return Hold(
        text.get("kind", ""),
        text.get("by", ""),
        int(text.get("since", 0)),
        int(text.get("failures", 0)),
        int(text.get("next", 0)),
        int(text.get("status", 0) or 0),
        text.get("message", ""),
        text.get("fingerprint", ""),
    )
