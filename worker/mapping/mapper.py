"""An event and an integration make operations, or a reason why not.

Pure: `decide` judges one event by itself, `compose` makes the operations of a run of events out of the decisions and
what is known of the people in it. Both may be repeated at will with the same result.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from config.integrations import Integration
from worker.mapping.attributes import event_attributes, has_oversize, person_attributes
from worker.mapping.identity import Who, identify
from worker.mapping.operation import (
    EVENT_NAME_LIMIT_BYTES,
    ITEM_LIMIT_BYTES,
    Operation,
    event_body,
    identifiers,
    identify_body,
    merge_body,
    ulid,
)
from worker.mapping.outcome import Dead, Filtered
from worker.people.facts import Facts, read_facts
from worker.people.person import Person, absorb, decode, encode
from worker.people.properties import compile_properties
from worker.purchasely.documented import TIME_MAX_MS, TIME_MIN_MS
from worker.purchasely.event import Event, person_names, text_id

# Events older than this cannot trigger campaigns in Customer.io (docs: events, timestamps).
LATE_MS = 72 * 3600 * 1000


class Send(msgspec.Struct, frozen=True, gc=False):
    """The decision to send an event: about whom, when it happened, its JSON as an item, what it tells of them.

    `facts` is None when nothing is kept of the person.
    """

    raw: bytes
    who: Who
    time_ms: int
    body: bytes
    facts: Facts | None


Decision = Send | Filtered | Dead


class Composed(msgspec.Struct):
    """A run of events, made ready: operations in order, an outcome for each event that is not sent, new states.

    `outcomes` has one place an event, None for those whose fate Customer.io decides; `people` maps a person's digest
    to the state after this run.
    """

    operations: list[Operation]
    outcomes: list[Filtered | Dead | None]
    people: dict[str, bytes]


class _Known(msgspec.Struct):
    """A person within a run: state, where the identify stands, which event answers for it (-1: nothing new)."""

    who: Who
    person: Person
    place: int
    cause: int = -1


class Mapper:
    """The mapping of one integration."""

    def __init__(self, integration: Integration) -> None:
        self.integration = integration
        self._properties: Callable[[Person], dict[str, Any]] = compile_properties(
            integration.properties, integration.plans
        )
        self._keeps_state = bool(integration.properties)
        self._names: dict[str, bytes | None] = {}

    def decide(self, event: Event, now_ms: int, suppressed: frozenset[str] = frozenset()) -> Decision:
        """What becomes of one event, as far as it can be said without knowing the person's past.

        `suppressed` are people to whom nothing is sent, as `event.person_names` gives them.
        """
        integration = self.integration
        if not integration.enabled:
            return Filtered("disabled")
        if not event.name:
            return Dead("no_event_name", "map", "event_name")
        environment = event.payload.get("environment")
        if type(environment) is not str or environment not in integration.environments:
            # Every documented payload names its environment; an upstream service that leaves it out means the real one.
            environment = environment.strip().upper() if isinstance(environment, str) and environment else "PRODUCTION"
            if environment not in integration.environments:
                claimed = environment in integration.source_environments
                return Filtered("environment" if claimed else "environment_unclaimed")
        name = self._name(event.name)
        if name is None:
            return Filtered("event_off")
        if suppressed and not suppressed.isdisjoint(person_names(event.payload)):
            return Filtered("suppressed")
        who = identify(event.payload, integration)
        if not isinstance(who, Who):
            return who
        return self._send(event, who, name, now_ms)

    def _send(self, event: Event, who: Who, name: bytes, now_ms: int) -> Decision:
        time_ms = event.time_ms
        if time_ms is None:
            # Without a time of its own the event happened when it was received; its ULID then has a fixed time part,
            # so that a redelivery keeps it.
            time_ms, event_id = event.received_ms, ulid(0, event.key)
        else:
            event_id = ulid(time_ms, event.key)
        event_id = event.ulid or event_id  # an edit of a dead letter leaves the event the one it was
        if not TIME_MIN_MS < time_ms < TIME_MAX_MS:
            return Dead(
                "invalid_time",
                "map",
                "event_created_at",
                message=f"{time_ms} ms is no time of this era",
            )
        if len(name) > EVENT_NAME_LIMIT_BYTES and (size := len(orjson.loads(name).encode())) > EVENT_NAME_LIMIT_BYTES:
            message = f"event_name is {size} bytes; the limit is {EVENT_NAME_LIMIT_BYTES}"
            return Dead("too_large", "map", "event_name", message=message)
        late = self.integration.late != "send" and now_ms - time_ms > LATE_MS
        if late and self.integration.late == "skip":
            return Filtered("late")
        attributes = event_attributes(event, self.integration, late=late)
        body = event_body(who.json, name, event_id, time_ms // 1000, attributes)
        if len(body) > ITEM_LIMIT_BYTES and attributes is event.raw:
            body = event_body(who.json, name, event_id, time_ms // 1000, orjson.dumps(event.fields()))
        if len(body) > ITEM_LIMIT_BYTES:
            message = f"the event is {len(body)} bytes as an item; the limit is {ITEM_LIMIT_BYTES}"
            return Dead("too_large", "map", _largest_field(event.fields()), message=message)
        facts = read_facts(event) if self._keeps_state and who.kind != "anonymous_id" else None
        return Send(event.raw, who, time_ms, body, facts)

    def _name(self, code: str) -> bytes | None:
        """The name an event code is sent under, as JSON; None when the filter keeps it out."""
        try:
            return self._names[code]
        except KeyError:
            sent = self.integration.sent_name(code)
            name = None if sent is None else orjson.dumps(sent)
            if len(self._names) < 1000:  # unknown codes are the sender's to choose
                self._names[code] = name
            return name

    def person_of(self, decision: Decision) -> str | None:
        """The digest of the person whose state `compose` needs for this decision, if any."""
        return decision.who.digest if type(decision) is Send and decision.facts is not None else None

    def people_of(self, decisions: Sequence[Decision]) -> list[str]:
        """The digests of all people whose states `compose` needs for these decisions, each once."""
        found = [one.who.digest for one in decisions if type(one) is Send and one.facts is not None]
        return list(dict.fromkeys(found))

    def compose(self, decisions: Sequence[Decision], states: Mapping[str, bytes | None]) -> Composed:
        """The operations of a run of events; `states` maps digests to the people's stored states.

        Each person is identified once, before their first event, with the properties after their last one
        (documentation: order within a request is the sender's to keep; `timestamp` guards against older updates).
        """
        outcomes: list[Filtered | Dead | None] = []
        operations: list[Operation | None] = []
        people: dict[str, _Known] = {}
        merges = self.integration.merge_transfers
        for position, decision in enumerate(decisions):
            if type(decision) is not Send:
                outcomes.append(decision)  # type: ignore[arg-type]  # the other two are outcomes
                continue
            outcomes.append(None)
            known, facts = None, decision.facts
            if facts is not None:
                who = decision.who
                known = people.get(who.digest)
                if known is None:
                    known = _Known(who, decode(states.get(who.digest)), len(operations))
                    people[who.digest] = known
                    operations.append(None)
                if absorb(known.person, facts):
                    known.cause = position
            operations.append(Operation("event", decision.body, position))
            if merges:
                operations += self._merges(decision, position, known)
        blobs = {}
        for name, known in people.items():
            if known.cause >= 0:
                operation = self._identify(known)
                if isinstance(operation, Dead):
                    # without the event that is at fault the others of this person can be told
                    return self.compose(_without(decisions, known, operation), states)
                operations[known.place] = operation
                blobs[name] = encode(known.person)
        kept = [op for op in operations if op is not None and outcomes[op.cause] is None]
        return Composed(kept, outcomes, blobs)

    def _identify(self, known: _Known) -> Operation | Dead | None:
        attributes = person_attributes(self._properties(known.person), self.integration)
        if isinstance(attributes, Dead):
            return attributes
        if not attributes:
            return None
        body = identify_body(known.who.json, known.person.newest_ms // 1000, attributes)
        if len(body) > ITEM_LIMIT_BYTES:
            message = f"the user properties are {len(body)} bytes as an item; the limit is {ITEM_LIMIT_BYTES}"
            return Dead("too_large", "map", "user_properties", message=message)
        return Operation("identify", body, known.cause)

    def _merges(self, decision: Send, position: int, known: _Known | None) -> list[Operation]:
        """The merge of an anonymous profile into the person who logged in.

        Both sides of a transfer ask for it, and so does whatever is heard of the anonymous profile later: a merge takes
        effect once both people exist, and an event would bring the merged profile back to life.
        """
        payload, who = orjson.loads(decision.raw), decision.who
        if text_id(payload.get("anonymous_user_id")) == who.value and not text_id(payload.get("user_id")):
            moved_to = text_id(payload.get("transferred_to_user_id")) or (known.person.moved_to[1] if known else "")
            primary, secondary = moved_to, who.value
        else:
            primary, secondary = who.value, text_id(payload.get("transferred_from_anonymous_user_id"))
        if not primary or not secondary or primary == secondary or self.integration.anonymous != "profile":
            return []
        kind = "id" if primary != who.value else who.kind
        merge = merge_body(identifiers(kind, primary), identifiers("id", secondary))
        return [Operation("merge", merge, position)]


def _without(decisions: Sequence[Decision], known: _Known, dead: Dead) -> list[Decision]:
    """The decisions, with the event dead that brought what made the person's properties too large.

    That is their last event with so long a value; when none has one (it was known before), the last that told anything.
    """
    guilty = known.cause
    for position, decision in enumerate(decisions):
        if (
            isinstance(decision, Send)
            and decision.who.json == known.who.json
            and has_oversize(orjson.loads(decision.raw))
        ):
            guilty = position
    return [*decisions[:guilty], dead, *decisions[guilty + 1 :]]


def _largest_field(payload: dict[str, Any]) -> str:
    return max(payload, key=lambda field: len(orjson.dumps(payload[field])))
