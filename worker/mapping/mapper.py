"""An event and an integration make operations, or a reason why not.

Pure: `decide` judges one event by itself, `compose` makes the operations of a run of events out of the decisions and
what is known of the people in it. Both may be repeated at will with the same result.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from config.integrations import Integration
from worker.mapping import stages
from worker.mapping.attributes import EventAttributes
from worker.mapping.composing import Composer
from worker.mapping.decision import Composed, Decision, Learn, Send
from worker.mapping.identity import Who, identify
from worker.mapping.operation import EVENT_END, EVENT_NAME_LIMIT_BYTES, ITEM_LIMIT_BYTES, Operation, event_head, ulid
from worker.mapping.outcome import Dead, Filtered
from worker.mapping.stages import Trace
from worker.people.facts import CLOCK_TOLERANCE_MS, Facts, order_ms, read_facts
from worker.people.snapshot import Snapshot
from worker.purchasely.documented import Documented
from worker.purchasely.event import Event
from worker.purchasely.payload import read_object, write_object
from worker.purchasely.person import names_among, person_fields, text_id

# Events older than this cannot trigger campaigns in Customer.io (docs: events, timestamps).
LATE_MS = 72 * 3600 * 1000

# How event codes are spelt: webhook version 2 has one under another name.
_CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")

# Of the name of a payload's field, in characters: it goes into lists and pages.
_FIELD_KEPT = 100


class Mapper:
    """The mapping of one integration; `clock_tolerance_ms`: how far ahead a sender's clock may be."""

    def __init__(self, integration: Integration, clock_tolerance_ms: int = CLOCK_TOLERANCE_MS) -> None:
        self.integration = integration
        self._tolerance_ms = clock_tolerance_ms
        self._placeholders = integration.identity.placeholders
        merges_people = integration.merge_transfers and integration.anonymous == "profile"
        self._composer = Composer(integration, merges_people=merges_people)
        self._attributes = EventAttributes(integration)
        self._joins = integration.anonymous == "event"
        self._keeps_state = bool(integration.properties) or merges_people
        chains = (integration.identity, integration.source_identity)
        self._fields = person_fields(field for chain in chains for field in (*chain.id_fields, *chain.email_fields))
        self._names: dict[str, bytes | None] = {}
        self._latest_ms, self._latest_entry = 0, ""
        self._snapshot: Snapshot | None = None  # of the last event
        # what the last event said in the first id field, and who it meant: what comes first decides alone
        self._id_field = (*integration.identity.id_fields, "")[0]
        self._told: tuple[str, Who | None] = "", None

    # One piece, since a call costs a hundredth of an event: each stage is a question and how it ends.
    def decide(  # noqa: C901, PLR0912
        self, event: Event, now_ms: int, suppressed: frozenset[str] = frozenset(), trace: Trace | None = None
    ) -> Decision:
        """What becomes of one event, as far as it can be said without knowing the person's past.

        `suppressed` are people who are sent nothing, by the names that they are compared by. Each stage that the
        event comes to is added to `trace`; the last of them is the one that stopped it, if one did.
        """
        integration = self.integration
        if trace is not None:
            trace.append(stages.enabled(integration))
        if not integration.enabled:
            return Filtered("disabled")
        if trace is not None:
            trace.append(stages.name(event))
        if not event.name:
            return _nameless(event)
        if trace is not None:
            trace.append(stages.environment(event, integration))
        payload = event.payload
        environment = payload.environment if isinstance(payload, Documented) else payload.get("environment")
        if type(environment) is not str or environment not in integration.environments:
            # Every documented payload names its environment; an upstream service that leaves it out means the real one.
            environment = environment.strip().upper() if isinstance(environment, str) and environment else "PRODUCTION"
            if environment not in integration.environments:
                claimed = environment in integration.source_environments
                return Filtered("environment" if claimed else "environment_unclaimed")
        name = self._name(event.name)
        if trace is not None:
            trace.append(stages.event_filter(event, integration))
        if name is None:
            if suppressed and names_among(suppressed, payload, self._fields):
                return Filtered("event_off")
            return self._learn(event, Filtered("event_off"), now_ms, trace)
        if suppressed and (names := names_among(suppressed, payload, self._fields)):
            if trace is not None:
                trace.append(stages.suppressed({*names}))
            return Filtered("suppressed")
        told, known = self._told
        given = getattr(payload, self._id_field, None) if self._id_field and isinstance(payload, Documented) else None
        who: Who | Filtered | Dead
        if given is not None and given == told and known is not None:
            who = known  # as of the event before: siblings are about one person
        else:
            who = identify(payload, integration)
            if type(given) is str and type(who) is Who and who.field == self._id_field:
                self._told = given, who
        if trace is not None:
            trace.append(stages.person(who, self.integration))
        if not isinstance(who, Who):
            return who
        return self._send(event, who, name, now_ms, trace)

    def _send(  # noqa: C901 - as `decide`
        self, event: Event, who: Who, name: bytes, now_ms: int, trace: Trace | None
    ) -> Decision:
        time_ms, late_policy = event.time_ms, self.integration.late
        if trace is not None:
            trace.append(stages.time(event))
        if time_ms is None:
            if event.time_fault is not None:
                return Dead("invalid_time", "map", event.time_fault.field, message=event.time_fault.message)
            # Without a time of its own the event happened when it was received; its ULID then has a fixed time part,
            # so that a redelivery keeps it.
            time_ms, event_id = event.received_ms, ulid(0, event.key)
        else:
            event_id = ulid(time_ms, event.key)
        event_id = event.ulid or event_id  # an edit of a dead letter leaves the event the one it was
        late = late_policy != "send" and now_ms - time_ms > LATE_MS
        if trace is not None:
            trace.append(stages.late(now_ms - time_ms, self.integration))
        if late and late_policy == "skip":
            return self._learn(event, Filtered("late"), now_ms, trace)
        attributes = self._attributes.of(event, late=late)
        head = event_head(who.json, name, event_id, time_ms // 1000)
        size_bytes = len(head) + len(attributes) + len(EVENT_END)
        if size_bytes > ITEM_LIMIT_BYTES and attributes is event.raw:
            attributes = orjson.dumps(event.fields())
            size_bytes = len(head) + len(attributes) + len(EVENT_END)
        if trace is not None:
            trace.append(stages.attributes(event, f"{size_bytes} bytes as an item"))
        if len(name) > EVENT_NAME_LIMIT_BYTES or size_bytes > ITEM_LIMIT_BYTES:
            too_large = _too_large(event, name, size_bytes)
            if too_large is not None:
                return too_large
        facts = None
        if self._keeps_state and who.kind != "anonymous_id":
            facts = self._facts(event)
        anonymous = self._anonymous(event, who) if self._joins else ""
        return Send(event.raw, who, time_ms, head, attributes, facts, now_ms, anonymous)

    def _learn(self, event: Event, outcome: Filtered, now_ms: int, trace: Trace | None) -> Learn | Filtered:
        """The filter decides what is sent as an event; what an event says of its person counts all the same."""
        if not (self._keeps_state or self._joins) or event.time_fault is not None:
            return outcome
        who = identify(event.payload, self.integration)
        if not isinstance(who, Who):
            return outcome
        facts = None
        if self._keeps_state and who.kind != "anonymous_id":
            facts = self._facts(event)
        anonymous = self._anonymous(event, who) if self._joins else ""
        if facts is None and not anonymous:
            return outcome
        if trace is not None:
            trace.append(stages.state())
        return Learn(outcome, event.raw, who, facts, now_ms, anonymous)

    def _facts(self, event: Event) -> Facts:
        facts = read_facts(event, self._placeholders, self._order_ms(event), self._snapshot)
        self._snapshot = facts.snapshot
        return facts

    def _order_ms(self, event: Event) -> int:
        """`order_ms`, without taking the time of receipt out of the entry's id again and again.

        Entries come in their order: whatever is not after the latest possible time of an earlier one is not after its
        own. Redis's ids have 13 digits of milliseconds until the year 2286, so they compare as text.
        """
        time_ms, entry_id = event.time_ms, event.entry_id
        if time_ms is not None and time_ms <= self._latest_ms and entry_id >= self._latest_entry and len(entry_id) > 14:
            return time_ms
        if len(entry_id) > 14:
            self._latest_ms, self._latest_entry = event.received_ms + self._tolerance_ms, entry_id
        return order_ms(event, self._tolerance_ms)

    def _anonymous(self, event: Event, who: Who) -> str:
        """The anonymous id to set on a person who has just logged in, so that Customer.io joins the events to them.

        Only of a transfer: an anonymous id cannot be used again (documentation: anonymous events).
        """
        if who.kind == "anonymous_id":
            return ""
        value = text_id(event.payload.get("transferred_from_anonymous_user_id"))
        return "" if value in self._placeholders else value

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
        told = type(decision) is Send or type(decision) is Learn
        return decision.who.digest if told and decision.facts is not None else None  # type: ignore[union-attr]

    def people_of(self, decisions: Sequence[Decision]) -> list[str]:
        """The digests of all people whose states `compose` needs for these decisions, each once."""
        found = [
            one.who.digest for one in decisions if (type(one) is Send or type(one) is Learn) and one.facts is not None
        ]
        return list(dict.fromkeys(found))

    def compose(self, decisions: Sequence[Decision], states: Mapping[str, bytes | None]) -> Composed:
        """The operations of a run of events; `states` maps digests to the people's stored states."""
        return self._composer.compose(decisions, states)

    def identify_again(self, states: Mapping[str, bytes | None], now_ms: int) -> tuple[list[str], list[Operation]]:
        """The identifies that say again all that is known of these people: their digests, and the operations."""
        return self._composer.identify_again(states, now_ms)


def _nameless(event: Event) -> Dead:
    """An event without a name; webhook version 2 has it elsewhere, in a payload of another shape."""
    version, former = event.payload.get("api_version"), event.payload.get("name")
    is_former = isinstance(former, str) and _CODE.fullmatch(former.strip().upper())
    if text_id(version).lower().removeprefix("v").removesuffix(".0") in {"1", "2"} or is_former:
        message = "a payload of webhook version 2; switch the webhook to version 3 in Purchasely's console"
        return Dead("webhook_version", "map", "api_version", message=message)
    return Dead("no_event_name", "map", "event_name")


def _too_large(event: Event, name: bytes, size_bytes: int) -> Dead | None:
    """Which limit of the API the event would break, if it does."""
    size = len(orjson.loads(name).encode())
    if size > EVENT_NAME_LIMIT_BYTES:
        message = f"event_name is {size} bytes; the limit is {EVENT_NAME_LIMIT_BYTES}"
        return Dead("too_large", "map", "event_name", message=message)
    if size_bytes > ITEM_LIMIT_BYTES:
        message = f"the event is {size_bytes} bytes as an item; the limit is {ITEM_LIMIT_BYTES}"
        return Dead("too_large", "map", _largest_field(read_object(event.raw)), message=message)
    return None


def _largest_field(payload: dict[str, Any]) -> str:
    """Its name, which is the sender's to choose, and may be what is large."""
    largest = max(payload, key=lambda field: len(write_object({field: payload[field]})))
    return largest if len(largest) <= _FIELD_KEPT else largest[:_FIELD_KEPT] + "…"
