"""Decisions on a run of events become operations: each person identified once, then their events in order."""

from collections.abc import Mapping, Sequence

import msgspec

from config.integrations import Integration
from worker.mapping.attributes import has_oversize, person_attributes
from worker.mapping.decision import Composed, Decision, Learn, Send
from worker.mapping.identity import Who
from worker.mapping.operation import ITEM_LIMIT_BYTES, Operation, identifiers, identify_body, merge_body
from worker.mapping.outcome import Dead, Filtered
from worker.people.holding import SAME_TRANSACTION_MS
from worker.people.person import Person, absorb, decode, encode, pair
from worker.people.properties import compile_properties
from worker.purchasely.payload import read_object


class _Known(msgspec.Struct):
    """A person within a run: state, where the identify is, which event answers for it (-1: nothing new).

    `cause` is an event that is sent, `learnt` one that is not. `anonymous` is an anonymous id that joins them. `again`:
    their properties were refused before.
    """

    who: Who
    person: Person
    place: int
    cause: int = -1
    learnt: int = -1
    now_ms: int = 0
    anonymous: str = ""
    again: bool = False

    def note(self, decision: Send | Learn, position: int) -> None:
        """The event at this position has said something new."""
        self.now_ms = decision.now_ms
        if type(decision) is Send:
            self.cause = position
        else:
            self.learnt = position


class Composer:
    """Composes for one integration."""

    def __init__(self, integration: Integration, *, merges_people: bool) -> None:
        self._integration = integration
        self._merges_people = merges_people
        self._properties = compile_properties(integration.properties, integration.plans)

    # One piece, since a call costs a hundredth of an event.
    def compose(  # noqa: C901, PLR0912
        self, decisions: Sequence[Decision], states: Mapping[str, bytes | None]
    ) -> Composed:
        """The operations of a run of events; `states` maps digests to the people's stored states.

        Each person is identified once, before their first event, with the properties after their last one
        (documentation: order within a request is the sender's to keep; `timestamp` guards against older updates).
        """
        outcomes: list[Filtered | Dead | None] = []
        operations: list[Operation | None] = []
        people: dict[str, _Known] = {}
        for position, decision in enumerate(decisions):
            if type(decision) is Send:
                outcomes.append(None)
            elif type(decision) is Learn:
                outcomes.append(decision.outcome)
            else:
                outcomes.append(decision)  # type: ignore[arg-type]  # the other two are outcomes
                continue
            known, facts = None, decision.facts
            if facts is not None:
                who = decision.who
                known = people.get(who.digest)
                if known is None:
                    person = decode(states.get(who.digest), who.digest)
                    known = people[who.digest] = _Known(who, person, len(operations))
                    operations.append(None)
                if absorb(known.person, facts) or decision.again:
                    known.note(decision, position)
                    known.again = known.again or decision.again
            if decision.anonymous:
                _join(decision, position, known, operations)
            if type(decision) is Send:
                operations.append(Operation("event", decision.head, position, decision.attributes))
                if self._merges_people and known is not None:
                    operations += self._merges(decision, position, known)
        blobs = {}
        for name, known in people.items():
            if known.cause < 0 and known.learnt < 0:
                continue
            operation = self._identify(known, states.get(name))
            if isinstance(operation, Dead):
                # without the event that made them too large the others of this person can be sent
                return self.compose(_without(decisions, known, operation), states)
            operations[known.place] = operation
            if not known.person.who:
                known.person.who = known.who.json.decode()
            blobs[name] = encode(known.person)
        return Composed([op for op in operations if op is not None], outcomes, blobs)

    def _identify(self, known: _Known, before: bytes | None) -> Operation | Dead | None:
        attributes = person_attributes(self._properties(known.person), self._integration)
        if isinstance(attributes, Dead):
            return attributes
        if known.cause < 0 and not known.anonymous and not known.again:
            # only events that are not sent said something: it is worth a word if it changed what is known
            former = person_attributes(self._properties(decode(before)), self._integration)
            if former == attributes:
                return None
        if known.anonymous:
            attributes["anonymous_id"] = known.anonymous
        if not attributes:
            return None
        time_ms = min(known.person.newest_ms, known.now_ms)
        body = identify_body(known.who.json, time_ms // 1000, attributes)
        if len(body) > ITEM_LIMIT_BYTES:
            message = f"the user properties are {len(body)} bytes as an item; the limit is {ITEM_LIMIT_BYTES}"
            return Dead("too_large", "map", "user_properties", message=message)
        return Operation("identify", body, known.cause if known.cause >= 0 else known.learnt)

    def identify_again(self, states: Mapping[str, bytes | None], now_ms: int) -> tuple[list[str], list[Operation]]:
        """The identifies that say again all that is known of these people: their digests, and the operations.

        Left out is who has no property, and whose state is of a release that did not keep who they are.
        """
        told: list[str] = []
        operations = []
        for digest, blob in states.items():
            person = decode(blob, digest)
            attributes = person_attributes(self._properties(person), self._integration)
            if not person.who or isinstance(attributes, Dead) or not attributes:
                continue
            body = identify_body(person.who.encode(), min(person.newest_ms, now_ms) // 1000, attributes)
            if len(body) <= ITEM_LIMIT_BYTES:
                operations.append(Operation("identify", body, len(told)))
                told.append(digest)
        return told, operations

    def _merges(self, decision: Send, position: int, known: _Known) -> list[Operation]:
        """The merge of an anonymous profile into the person who logged in, once a pair.

        Both sides of a transfer ask for it, and so do the siblings of the transfer: a merge takes effect once both
        people exist, and an event would bring the merged profile back to life. Whatever comes later under the anonymous
        id is of whoever uses the device then.
        """
        facts, who, time_ms = decision.facts, decision.who, decision.time_ms
        assert facts is not None  # or the person would not be known
        if facts.anonymous_user_id == who.value and not facts.user_id:
            other = primary = facts.moved_to
            if not primary:
                moved_ms, moved_to = known.person.moved_to
                other = primary = moved_to if abs(time_ms - moved_ms) < SAME_TRANSACTION_MS else ""
            secondary = who.value
        else:
            primary, other = who.value, facts.moved_from
            secondary = other
        if not other or primary == secondary or not pair(known.person, other, time_ms):
            return []
        kind = "id" if primary != who.value else who.kind
        merge = merge_body(identifiers(kind, primary), identifiers("id", secondary))
        return [Operation("merge", merge, position)]


def _join(decision: Send | Learn, position: int, known: _Known | None, operations: list[Operation | None]) -> None:
    """Set the anonymous id on the person: with their properties, or by itself where none are kept."""
    if known is not None:
        known.anonymous = decision.anonymous
        known.note(decision, position)
        return
    body = identify_body(decision.who.json, decision.now_ms // 1000, {"anonymous_id": decision.anonymous})
    operations.append(Operation("identify", body, position))


def _without(decisions: Sequence[Decision], known: _Known, dead: Dead) -> list[Decision]:
    """The decisions, with the event dead that brought what made the person's properties too large.

    That is their last event with so long a value; when none has one (it was known before), the last that said anything.
    """
    last = max(known.cause, known.learnt)
    for position, decision in enumerate(decisions):
        if (
            isinstance(decision, Send | Learn)
            and decision.who.digest == known.who.digest
            and has_oversize(read_object(decision.raw))
        ):
            last = position
    return [*decisions[:last], dead, *decisions[last + 1 :]]
