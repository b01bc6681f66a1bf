"""What happens to one event, stage by stage, for each integration, and why."""

from typing import Any

import orjson

from config.catalogue import catalogue
from config.integrations import Integration
from worker.mapping.identity import Who, identify
from worker.mapping.mapper import Mapper, Send
from worker.mapping.outcome import Dead, Filtered
from worker.people.person import decode
from worker.people.properties import PROPERTIES, compile_properties
from worker.purchasely.event import Event, shard_key, shard_of


def explain_event(event: Event, shards: int) -> dict[str, Any]:
    """What the relay reads in an event, before any integration sees it."""
    known = catalogue().events.get(event.name)
    person = shard_key(event.payload)
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
    """The stages of one event for one integration.

    `{"integration", "outcome", "reason", "stages": [{"stage", "result", "why", "line"}], "operations": […],
    "before": {…}, "after": {…}}`; `line` is the line of the integrations file that decided (0: none did).
    """
    integration = mapper.integration
    decision = mapper.decide(event, now_ms, suppressed)
    stages = [
        _stage(integration, "enabled", integration.enabled, "enabled", f"enabled = {str(integration.enabled).lower()}"),
        _environment(event, integration),
        _filter(event, integration),
        _person(event, integration),
    ]
    told: dict[str, Any] = {"integration": integration.name, "stages": stages, "operations": []}
    if not isinstance(decision, Send):
        told |= _ending(decision)
        return told | {"stages": _until_stop(stages)}
    digest = mapper.person_of(decision)
    composed = mapper.compose([decision], {digest: state} if digest else {})
    outcome = composed.outcomes[0]
    told |= _ending(outcome) if outcome else {"outcome": "sent", "reason": ""}
    told["operations"] = [orjson.loads(operation.body) for operation in composed.operations]
    if digest:
        told["before"] = _properties(state, integration)
        told["after"] = _properties(composed.people.get(digest, state), integration)
    return told


def _ending(outcome: Filtered | Dead) -> dict[str, Any]:
    if isinstance(outcome, Filtered):
        return {"outcome": "filtered", "reason": outcome.reason}
    return {"outcome": "dead", "reason": outcome.reason, "field": outcome.field, "message": outcome.message}


def _stage(integration: Integration, stage: str, passed: bool, key: str, why: str) -> dict[str, Any]:
    line = integration.lines.get(f"integrations.{integration.name}.{key}", 0)
    return {"stage": stage, "result": "passed" if passed else "stopped", "why": why, "line": line}


def _environment(event: Event, integration: Integration) -> dict[str, Any]:
    given = event.payload.get("environment")
    taken = ", ".join(sorted(integration.environments))
    named = given if isinstance(given, str) and given else "PRODUCTION"
    passed = named.strip().upper() in integration.environments
    origin = "the event is of" if given == named else "the event names no environment, so it counts as"
    return _stage(integration, "environment", passed, "environments", f"{origin} {named}; taken: {taken}")


def _filter(event: Event, integration: Integration) -> dict[str, Any]:
    sent = integration.sent_name(event.name) if event.name else None
    rule, line = integration.rule(event.name)
    why = f"sent as {sent!r}" if sent is not None else "not sent"
    return {
        "stage": "filter",
        "result": "passed" if sent is not None else "stopped",
        "why": f"{why}: {rule}" if rule else f"{why}: no rule of the file speaks of it",
        "line": line,
    }


def _person(event: Event, integration: Integration) -> dict[str, Any]:
    who = identify(event.payload, integration)
    if isinstance(who, Who):
        fields = (*integration.id_fields, *integration.email_fields, "anonymous_user_id")
        field = next((f for f in fields if str(event.payload.get(f)) == who.value), "")
        return _stage(integration, "person", True, "identity", f"{who.kind} {who.value!r}, from {field}")
    why = f"anonymous = {integration.anonymous!r}" if isinstance(who, Filtered) else (who.message or who.reason)
    return _stage(integration, "person", False, "identity.anonymous", why)


def _until_stop(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stages up to the first that stopped the event."""
    for index, stage in enumerate(stages):
        if stage["result"] == "stopped":
            return stages[: index + 1]
    return stages


def _properties(state: bytes | None, integration: Integration) -> dict[str, Any]:
    """All properties a state comes to, whether the integration sends them or not."""
    return compile_properties({*PROPERTIES, "cumulated_revenue_in_*"}, integration.plans)(decode(state))
