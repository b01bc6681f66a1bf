"""Draft of a configuration on single events: what each integration would make of an event, beside what is in force."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from config.integrations import Integration, Integrations
from worker.app import Relay
from worker.dead.advice import what_is_wrong
from worker.delivery.deciding import decide
from worker.history.find import Found
from worker.history.sentences import NOT_SENT
from worker.history.trace import rule_of
from worker.mapping.mapper import Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event


class Would(msgspec.Struct, frozen=True):
    """What would become of an event in one integration, as of when it was received.

    `outcome` "absent": there is no such integration. `rule` and `line` are of the configuration that decides.
    """

    outcome: Literal["sent", "filtered", "dead", "absent"]
    reason: str = ""
    name: str = ""
    rule: str = ""
    line: int = 0


class Drafted(msgspec.Struct, frozen=True):
    """One integration's decision with the draft; `differs`: it is another one than what is in force would make."""

    integration: str
    would: Would
    differs: bool

    @property
    def words(self) -> str:
        """In words.

        >>> Drafted("crm", Would("sent", "", "Renewed"), differs=True).words
        'would be sent as Renewed'
        """
        would = self.would
        where = f" ({would.rule}, line {would.line})" if would.line else ""
        match would.outcome:
            case "sent":
                return f"would be sent as {would.name}"
            case "dead":
                return f"would fail: {what_is_wrong(would.reason, '', 0)}"
            case "absent":
                return "would not be there: the draft has no such integration"
            case _ if would.reason == "shadow":
                return f"would be in shadow, as {would.name}{where}"
            case _:
                return f"would not be sent: {NOT_SENT.get(would.reason, would.reason)}{where}"


class Draft:
    """Decides events by what is in force and by a draft; nothing is sent, and nobody's state is asked for."""

    def __init__(
        self,
        now: Integrations,
        draft: Integrations,
        mapper: Callable[[Integration], Mapper],
        suppressed: frozenset[str] = frozenset(),
    ) -> None:
        self._sides = (now, draft)
        self._mappers = [{name: mapper(one) for name, one in side.integrations.items()} for side in self._sides]
        self._suppressed = suppressed

    @classmethod
    def beside(cls, parts: Relay, draft: Integrations) -> "Draft":
        """A draft beside what is in force in these parts."""
        return cls(parts.integrations, draft, parts.mapper, parts.suppressed.people())

    def of(self, found: Found) -> list[Drafted]:
        """An event's decisions, for every integration of its source on either side."""
        names = dict.fromkeys(one.name for side in self._sides for one in side.of_source(found.source))
        return [self._drafted(name, found) for name in names]

    def _drafted(self, name: str, found: Found) -> Drafted:
        now, then = (self._would(mappers.get(name), found) for mappers in self._mappers)
        same = (now.outcome, now.reason, now.name) == (then.outcome, then.reason, then.name)
        return Drafted(name, then, not same)

    def _would(self, mapper: Mapper | None, found: Found) -> Would:
        if mapper is None or mapper.integration.source != found.source:
            return Would("absent")
        event, integration = found.event, mapper.integration
        # as of when it was received: what is late today was not late then
        decision = decide(mapper, partial(_same, event), event.received_ms, self._suppressed)
        outcome = mapper.compose([decision], {}).outcomes[0]
        if outcome is None and not integration.send:
            outcome = Filtered("shadow")
        said, reason = "sent", ""
        if isinstance(outcome, Filtered | Dead):
            said, reason = "filtered" if isinstance(outcome, Filtered) else "dead", outcome.reason
        name, (rule, line) = rule_of(integration, event.name, said, reason)
        return Would(said, reason, name, rule, line)  # type: ignore[arg-type]


def _same(event: Event) -> Event:
    return event
