"""Judgement of a dead letter: what a replay would make of it now, by the mapping alone; nothing is sent."""

from typing import Literal

import msgspec
import orjson

from worker.dead.letter import Letter
from worker.mapping.decision import Decision, Learn, Send, again
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered

Fate = Literal["sent", "same", "filtered", "dead", "unknown"]
"""Sent: the relay finds nothing wrong with it. Same: neither did it before, and Customer.io refused just this.
Unknown: it killed its worker, so only a worker may try it."""


class Judged(msgspec.Struct, frozen=True):
    """A letter's fate, and the reason for it where there is one."""

    fate: Fate
    reason: str = ""


def judge(mapper: Mapper, letter: Letter, decision: Decision, state: bytes | None) -> Judged:
    """The fate of a letter; `state` is what is known of its person."""
    if isinstance(decision, Filtered):
        return Judged("filtered", decision.reason)
    if isinstance(decision, Dead):
        return Judged("dead", decision.reason)
    # Only these two depend on the person's state, and reading that takes time.
    if letter.reason == "too_large":
        digest = mapper.person_of(decision)
        outcome = mapper.compose([decision], {digest: state} if digest else {}).outcomes[0]
        if isinstance(outcome, Dead):
            return Judged("dead", outcome.reason)
    if letter.reason == "properties_rejected":
        same = _are_same(mapper, letter, again(decision), state)
        return Judged("same", letter.reason) if same else Judged("sent")
    if isinstance(decision, Learn):
        return Judged("filtered", decision.outcome.reason)
    if letter.reason == "rejected" and _is_same(mapper, letter, decision, state):
        return Judged("same", letter.reason)
    return Judged("sent")


def _is_same(mapper: Mapper, letter: Letter, decision: Send, state: bytes | None) -> bool:
    """Whether a replay would send Customer.io the event that it has refused before."""
    return decision.body.decode() in letter.operations and _are_same(mapper, letter, decision, state)


def _are_same(mapper: Mapper, letter: Letter, decision: Decision, state: bytes | None) -> bool:
    """Whether a replay would send Customer.io the properties that were sent before, if any were."""
    refused = [properties for text in letter.operations if (properties := _properties(text)) is not None]
    if not refused:
        return True
    digest = mapper.person_of(decision)
    composed = mapper.compose([decision], {digest: state} if digest else {})
    return any(_properties(op.body) in refused for op in composed.operations if op.kind == "identify")


def _properties(operation: str | bytes) -> object:
    """The attributes of an identify, None for other operations."""
    told = orjson.loads(operation)
    return told.get("attributes") if told.get("action") == "identify" else None
