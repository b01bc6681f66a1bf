"""Events as an integration made them: what it sent or would have sent, with the names it used, and why the rest is not.

Read from the trail and the retained bytes: what was sent has the name of the revision that decided it. What was
settled in shadow, and sent nowhere, is what the configuration in force makes of it, so that a change shows at once.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

import msgspec

from config.integrations import Integration
from worker.dead.fates import Fate, Fates
from worker.delivery.deciding import decide
from worker.history.archive import ArchivedScan
from worker.history.scan import Scan, Span
from worker.history.trace import AtRevision
from worker.mapping.decision import Decision, Learn, Send
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event, read_event
from worker.purchasely.person import plain_name, shard_person
from worker.store.entries import entries
from worker.store.lane import Lane

_IN_FORCE: Final = -1  # in place of a revision's number
# Whatever the configuration says: somebody does not want it sent, or nobody may try it.
_FINAL: Final = frozenset({"suppressed", "forgotten", "crashed_worker"})


class Here(msgspec.Struct, gc=False):
    """One event as an integration made it, under the name it has in Customer.io; time in Unix milliseconds.

    `why` is empty for one that was sent, or would have been; else it says why not, and `name` is the event's code.
    """

    name: str
    person: str
    time_ms: int
    event_id: str
    entry: str
    why: str = ""


class Made:
    """Goes through the retained events of one integration; `waiting` counts those that are not settled yet."""

    def __init__(
        self,
        scan: Scan,
        fates: Fates,
        integration: Integration,
        at_revision: AtRevision,
        mapper: Callable[[Integration], Mapper],
    ) -> None:
        self._scan = scan
        self._fates = fates
        self._integration = integration
        self._at_revision = at_revision
        self._mapper = mapper
        self._mappers: dict[int, Mapper] = {}
        self.waiting = 0

    def events(self, lanes: Iterable[Lane], span: Span) -> Iterator[Here]:
        """The events of these lanes that were received in the span, lane by lane."""
        for lane in lanes:
            for _, rows in self._scan.pages([lane.key("events")], span):
                page = entries(rows)
                if not isinstance(self._scan, ArchivedScan):
                    self._fates.expect(lane, page[0][0], page[-1][0])
                for entry_id, raw in page:
                    made = self._made(lane, entry_id, raw)
                    if made is not None:
                        yield made

    def _made(self, lane: Lane, entry_id: str, raw: bytes) -> Here | None:
        try:
            event = read_event(entry_id, raw)
        except ValueError:
            return None
        fate = self._fates.of(lane, entry_id, quick=True)
        if fate.outcome == "waiting":
            self.waiting += 1
            return None
        entry = f"{lane.shard}/{entry_id}"
        why = f"{fate.outcome}: {fate.reason}" if fate.reason else fate.outcome
        mapper = self._by(fate)
        if mapper is not None:
            # as of its receipt: what is late today was not late then
            decision = decide(mapper, partial(_same, event), event.received_ms)
            if isinstance(decision, Send):
                name = mapper.integration.sent_name(event.name) or event.name
                # Customer.io trims names, and knows times in whole seconds
                time_ms = decision.time_ms // 1000 * 1000
                return Here(name.strip(), plain_name(decision.who.value), time_ms, event.key, entry)
            why = why if fate.outcome == "delivered" else _why_not(decision)
        person = plain_name(shard_person(event.payload, self._integration.source_identity))
        return Here(event.name, person, event.time_ms or event.received_ms, event.key, entry, why)

    def _by(self, fate: Fate) -> Mapper | None:
        """The mapping that decides what an event is compared as; None: what became of it is all that counts."""
        unsent = fate.outcome in {"filtered", "dead"} and fate.reason not in _FINAL
        in_force = fate.reason == "shadow" or (unsent and not self._integration.send)
        if fate.outcome != "delivered" and not in_force:
            return None
        revision = _IN_FORCE if in_force else fate.revision
        if revision not in self._mappers:
            decided = None if in_force else self._at_revision(revision, self._integration.name)
            self._mappers[revision] = self._mapper(decided or self._integration)
        return self._mappers[revision]


def _why_not(decision: Decision) -> str:
    """Why an event is not sent by a mapping."""
    outcome = decision.outcome if isinstance(decision, Learn) else decision
    match outcome:
        case Filtered():
            return f"filtered: {outcome.reason}"
        case Dead():
            return f"dead: {outcome.reason}"
    return ""


def _same(event: Event) -> Event:
    return event
