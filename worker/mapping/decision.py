"""Decision on one event: to send it, to learn from it alone, or why neither; and the result of a run of them."""

import msgspec

from worker.mapping.identity import Who
from worker.mapping.operation import EVENT_END, Operation
from worker.mapping.outcome import Dead, Filtered
from worker.people.facts import Facts


class Send(msgspec.Struct, frozen=True, gc=False):
    """The decision to send an event: its person, when it happened, its JSON as an item, what it says of them.

    The item is `head`, `attributes` and an end: see `Operation`. `facts` is None when nothing is kept of the person.
    `now_ms` is when it was decided. `anonymous` is the anonymous id under which Customer.io has earlier events of the
    person who has logged in. `again`: the person's properties are sent even if nothing about them is new, since they
    were refused before.
    """

    raw: bytes
    who: Who
    time_ms: int
    head: bytes
    attributes: bytes
    facts: Facts | None
    now_ms: int
    anonymous: str = ""
    again: bool = False

    @property
    def body(self) -> bytes:
        """The item in one piece."""
        return self.head + self.attributes + EVENT_END


class Learn(msgspec.Struct, frozen=True, gc=False):
    """The decision not to send an event, and yet to learn what it says of the person; `outcome` is its end.

    The fields are those of `Send`.
    """

    outcome: Filtered
    raw: bytes
    who: Who
    facts: Facts | None
    now_ms: int
    anonymous: str = ""
    again: bool = False


Decision = Send | Learn | Filtered | Dead


def again(decision: Decision) -> Decision:
    """The same decision, with the person's properties sent whether or not they are new."""
    return msgspec.structs.replace(decision, again=True) if isinstance(decision, Send | Learn) else decision


class Composed(msgspec.Struct):
    """A run of events, made ready: operations in order, an outcome for each event that is not sent, new states.

    `outcomes` has one place an event, None for those whose fate Customer.io decides; `people` maps a person's digest
    to the state after this run. An operation's cause may be an event that is filtered: it said something new of its
    person. `refused` has, by position, the events whose item about the person Customer.io refused: their outcome is
    the event's own, and their properties become a dead letter.
    """

    operations: list[Operation]
    outcomes: list[Filtered | Dead | None]
    people: dict[str, bytes]
    refused: dict[int, Dead] = {}
