"""Explanation of an event as of now: with what is known of its person, and who is suppressed."""

import time
from typing import Any

from config.integrations import Integration
from worker.app import Relay
from worker.mapping.explain import explain
from worker.purchasely.event import Event
from worker.purchasely.person import event_shard
from worker.store.keys import person_key


def explain_now(parts: Relay, event: Event, integration: Integration, *, offline: bool = False) -> dict[str, Any]:
    """What would become of an event in an integration, stage by stage: see `explain`; nothing is sent.

    `offline`: without asking Redis, as if its person were new.
    """
    now_ms = time.time_ns() // 1_000_000
    mapper = parts.mapper(integration)
    state, suppressed = None, frozenset[str]()
    if not offline:
        suppressed = parts.suppressed.people()
        digest = mapper.person_of(mapper.decide(event, now_ms, suppressed))
        if digest:
            shard = event_shard(event.payload, integration.source_identity, event.key, parts.settings.shards)
            state = parts.streams.states([person_key(shard, integration.name, digest)])[0]
    return explain(event, mapper, state, now_ms, suppressed)
