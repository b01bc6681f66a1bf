"""Judgement of a dead letter: what a replay would make of it now, by the mapping alone; nothing is sent."""

from typing import Literal

import msgspec

from worker.dead.letter import Letter
from worker.mapping.decision import Decision, Learn, again
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.replay.refusal import REFUSED, refused_again

Fate = Literal["sent", "unsure", "same", "filtered", "dead", "unknown"]
"""Sent: the relay finds nothing wrong with it. Same: neither did it before, and Customer.io refused just this.
Unsure: something else is sent now, and Customer.io did not say what exactly it refused.
Unknown: it killed its worker, so only a worker may try it."""


class Judged(msgspec.Struct, frozen=True):
    """A letter's fate, the reason for it, and the field that is wrong, where there is one."""

    fate: Fate
    reason: str = ""
    field: str = ""


def judge(mapper: Mapper, letter: Letter, decision: Decision, state: bytes | None) -> Judged:
    """The fate of a letter; `state` is what is known of its person."""
    if isinstance(decision, Filtered):
        return Judged("filtered", decision.reason)
    if isinstance(decision, Dead):
        return Judged("dead", decision.reason, decision.field)
    if letter.reason == "properties_rejected":
        decision = again(decision)
    digest = mapper.person_of(decision)
    composed = mapper.compose([decision], {digest: state} if digest else {})
    # an event that failed early may break a limit that nobody had come to yet
    outcome = composed.outcomes[0]
    if isinstance(outcome, Dead):
        return Judged("dead", outcome.reason, outcome.field)
    if isinstance(decision, Learn) and letter.reason != "properties_rejected":
        return Judged("filtered", decision.outcome.reason)
    if letter.reason not in REFUSED:
        return Judged("sent")
    fate = refused_again(letter, [operation.body for operation in composed.operations])
    return Judged(fate, letter.reason if fate == "same" else "")
