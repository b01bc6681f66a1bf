"""Explanation of one event: what happens to it, stage by stage, for each integration, and why."""

from typing import Any

import orjson

from config.catalogue import catalogue
from config.integrations import Identity, Integration
from worker.mapping.decision import Learn
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.mapping.stages import Trace, as_rows, sending
from worker.people.person import decode
from worker.people.properties import PROPERTIES, compile_properties
from worker.purchasely.event import Event
from worker.purchasely.person import shard_of, shard_person


def explain_event(event: Event, identity: Identity, shards: int) -> dict[str, Any]:
    """What the relay reads in an event, before any integration sees it; `identity` is the chain of its source."""
    known = catalogue().events.get(event.name)
    person = shard_person(event.payload, identity)
    return {
        "name": event.name,
        "meaning": known.description if known else "not in the catalogue: a new or misspelt code",
        "key": event.key,
        "time_ms": event.time_ms,
        "person": person,
        "shard": shard_of(person or event.key, shards),
        "entry": event.entry_id,
    }


def explain(
    event: Event, mapper: Mapper, state: bytes | None, now_ms: int, suppressed: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The stages of one event for one integration, as `decide` went through them.

    `{"integration", "outcome", "reason", "stages": [{"stage", "result", "why", "line"}], "operations": […],
    "before": {…}, "after": {…}}`; `line` is the line of the integrations file that decided (0: none did).
    """
    integration = mapper.integration
    trace: Trace = []
    decision = mapper.decide(event, now_ms, suppressed, trace)
    made: dict[str, Any] = {"integration": integration.name, "operations": []}
    if isinstance(decision, Filtered | Dead):
        trace[-1].result = "stopped"
        return made | _ending(decision) | {"stages": as_rows(trace)}
    if isinstance(decision, Learn):
        trace[-2].result = "stopped"  # the last one says that it counts all the same
    digest = mapper.person_of(decision)
    composed = mapper.compose([decision], {digest: state} if digest else {})
    outcome = composed.outcomes[0]
    made |= _ending(outcome) if outcome else {"outcome": "sent", "reason": ""}
    if not integration.send:
        trace.append(sending(integration))
        if outcome is None:
            made |= _ending(Filtered("shadow"))
    made["stages"] = as_rows(trace)
    made["operations"] = [orjson.loads(operation.body) for operation in composed.operations]
    if digest:
        made["before"] = _properties(state, integration)
        made["after"] = _properties(composed.people.get(digest, state), integration)
    return made


def _ending(outcome: Filtered | Dead) -> dict[str, Any]:
    if isinstance(outcome, Filtered):
        return {"outcome": "filtered", "reason": outcome.reason}
    return {"outcome": "dead", "reason": outcome.reason, "field": outcome.field, "message": outcome.message}


def _properties(state: bytes | None, integration: Integration) -> dict[str, Any]:
    """All properties a state comes to, whether the integration sends them or not."""
    return compile_properties({*PROPERTIES, "cumulated_revenue_in_*"}, integration.plans)(decode(state))
