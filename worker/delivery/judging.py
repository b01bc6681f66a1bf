"""Judging of a request: what its answer means for each of its events, and for the integration."""

from typing import Literal, Protocol, assert_never

import msgspec

from worker.customerio.answer import MESSAGE_LIMIT, Answer
from worker.customerio.sender import Attempt
from worker.customerio.verdict import Verdict, is_failure, verdict
from worker.mapping.decision import Composed
from worker.mapping.outcome import Dead, DeadReason
from worker.store.holds import HoldKind
from worker.store.lease import Lease

Judgement = Literal["settle", "split", "hold"]
"""What to do after a request: settle its events, send fewer of them, or hold the integration."""


class Gate(Protocol):
    """The hold of one integration."""

    def hold(self, kind: HoldKind, *, status: int, message: str, probe: bool) -> None:
        """Hold the integration."""
        ...

    def resume(self) -> None:
        """End the hold."""
        ...


class Request(msgspec.Struct):
    """The first `events` of a run, composed; then the answer (None: there was nothing to send) and its attempts."""

    events: int
    composed: Composed
    answer: Answer | None = None
    attempts: list[Attempt] = []

    @property
    def failed(self) -> bool:
        """Whether Customer.io failed at it (5xx, a 4xx nobody knows, errors of items that were not sent)."""
        return self.answer is not None and (is_failure(self.answer.status) or self._is_stray)

    @property
    def refused_alone(self) -> bool:
        """Whether a single event was refused without its item being named: any event might be refused so."""
        if self.answer is None or self.events != 1 or self._is_stray:
            return False
        judged = verdict(self.answer.status)
        return judged is Verdict.SPLIT or (judged is Verdict.DONE and any(e.position < 0 for e in self.answer.errors))

    @property
    def _is_stray(self) -> bool:
        """Whether the answer names items that were not sent: it belongs to another request, or is invalid."""
        return self.answer is not None and any(
            error.position >= len(self.composed.operations) for error in self.answer.errors
        )

    def judge(self, *, poison: bool = False) -> Judgement:
        """What to do now; what Customer.io refused becomes an outcome. `poison`: it fails at an event."""
        if self.answer is None:
            return "settle"
        judged = verdict(self.answer.status)
        if self.failed:
            judged = Verdict.SPLIT if poison else Verdict.AGAIN
        match judged:
            case Verdict.DONE if name_refused(self.composed, self.answer):
                return "settle"
            case Verdict.DONE | Verdict.SPLIT if self.events > 1:
                return "split"
            case Verdict.DONE | Verdict.SPLIT:
                self._refuse_alone(self.answer)
                return "settle"
            case Verdict.AGAIN | Verdict.HOLD:
                return "hold"
            case _:
                assert_never(judged)

    def _refuse_alone(self, answer: Answer) -> None:
        """The end of a single event that was refused as a whole; of one that is not sent, only properties can be."""
        if any(operation.kind == "event" for operation in self.composed.operations):
            self.composed.outcomes[0] = Dead("rejected", "send", status=answer.status, message=answer.message)
        else:
            dead = Dead("properties_rejected", "send", status=answer.status, message=answer.message)
            self.composed.refused[0] = dead

    def made_of(self, position: int) -> list[bytes]:
        """The operations that one event answers for."""
        return [operation.body for operation in self.composed.operations if operation.cause == position]


def hold(gate: Gate, request: Request, lease: Lease, *, probe: bool) -> None:
    """Hold the integration for what a request was answered.

    Raises:
        LeaseLostError: this process was stopped for too long, so the timeout is its own; nothing is held.
    """
    lease.check()
    answer = request.answer or Answer(0)
    kind = "misdirected" if answer.foreign and not answer.status else hold_kind(answer.status)
    gate.hold(kind, status=answer.status, message=answer.message, probe=probe)


def hold_kind(status: int) -> HoldKind:
    """What kind of hold an answer asks for."""
    if status in {401, 402, 403, 451}:
        return "unauthorized"
    return "misdirected" if verdict(status) is Verdict.HOLD else "unreachable"


def name_refused(composed: Composed, answer: Answer) -> bool:
    """Turn the answer's item errors into outcomes of the events that answer for those items.

    An event whose own item was refused is dead. Where only what it says of its person was refused (identify, merge),
    the event was taken: its outcome stays, and the composed `refused` says what became of the rest.

    False when an error does not say which item it means: then nothing is known of any of them, and sending again in
    parts, with the same ULIDs, finds out.
    """
    if any(not 0 <= error.position < len(composed.operations) for error in answer.errors):
        return False
    events: dict[int, Dead] = {}
    people: dict[int, Dead] = {}
    for error in answer.errors:
        operation = composed.operations[error.position]
        reason: DeadReason = "rejected" if operation.kind == "event" else "properties_rejected"
        refused = Dead(reason, "send", error.field, answer.status, error.message)
        found = events if operation.kind == "event" else people
        known = found.get(operation.cause)
        found[operation.cause] = refused if known is None else _joined(known, refused)
    for position, dead in events.items():  # one letter an event: the refused event says both
        composed.outcomes[position] = _joined(dead, people.pop(position, None))
    composed.refused.update(people)
    return True


def _joined(first: Dead, other: Dead | None) -> Dead:
    """A refusal with the message of another one: several errors may share an item, or an event."""
    if other is None:
        return first
    also = ": ".join(text for text in (other.field, other.message) if text)
    said = "; ".join(text for text in (first.message, also) if text)[:MESSAGE_LIMIT]
    return msgspec.structs.replace(first, message=said)
