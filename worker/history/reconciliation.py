"""Reconciliation of an integration with an export of Customer.io: what both have, what only one has, and why.

Compared is the time that both cover: that of the export, as far back as events are kept. Events of the export whose
name is none of the integration's are left out: other programs send events to the same workspace.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from config.catalogue import catalogue
from config.integrations import Integration
from worker.history.exported import There
from worker.history.hints import Hint, hints
from worker.history.matching import Matched, Row, match
from worker.history.scan import Span
from worker.history.shadowed import Here


class Sample(msgspec.Struct, frozen=True):
    """One event that only one side has; `why`: what the relay made of it, where it was not sent."""

    event: str
    person: str
    time_ms: int | None
    entry: str = ""
    why: str = ""


class Report(msgspec.Struct):
    """What a reconciliation found; times in Unix ms.

    `items` by event name, `people` the ones with a difference. `why` counts what the relay made of the events that only
    Customer.io has ("never received" among them). `left_out`: names of the export that are not the integration's.
    `cut_off`: events of the export of another time. `waiting` events are not settled yet; what was received before
    `kept_since_ms` is not kept.
    """

    since_ms: int
    until_ms: int
    both: int
    only_here: int
    only_there: int
    items: list[Row]
    people: list[Row]
    people_alike: int
    samples_here: list[Sample]
    samples_there: list[Sample]
    why: dict[str, int]
    left_out: dict[str, int]
    hints: list[Hint]
    waiting: int = 0
    cut_off: int = 0
    kept_since_ms: int = 0
    next: str | None = None

    @property
    def is_alike(self) -> bool:
        """Whether both sides have the same events, and have any."""
        return self.both > 0 and not self.only_here and not self.only_there


def known_names(integration: Integration) -> frozenset[str]:
    """Every name under which an event may be sent by this integration, or by one with other settings: codes too."""
    sent = (name for name in integration.events.values() if name)
    return frozenset({*catalogue().events, *integration.events, *(name.strip() for name in sent)})


def window(there: Iterable[There], asked: Span, kept_since_ms: int) -> Span:
    """The time that is compared: what was asked for, else that of the export, as far back as events are kept."""
    times = [one.time_ms for one in there if one.time_ms is not None]
    since_ms, until_ms = asked.since_ms, asked.until_ms
    if since_ms is None:
        since_ms = max(min(times, default=kept_since_ms), kept_since_ms)
    return Span(since_ms, max(times, default=None) if until_ms is None else until_ms)


def reconcile(
    made: Iterable[Here], there: Sequence[There], names: frozenset[str], span: Span, within_ms: int, samples: int
) -> Report:
    """Compare what an integration made with what Customer.io has, in a span of time."""
    here: list[Here] = []
    unsent: list[Here] = []
    for event in made:
        (unsent if event.why else here).append(event)
    names |= {one.name for one in here}
    meant = [one for one in there if one.name in names]
    since_ms = span.since_ms or 0
    until_ms = max((one.time_ms for one in here), default=since_ms) if span.until_ms is None else span.until_ms

    def is_meant(time_ms: int | None) -> bool:
        return time_ms is None or since_ms <= time_ms <= until_ms

    found = match(here, meant, within_ms, is_meant)
    others = [one for one in there if one.name not in names]
    why = _Reasons(unsent, within_ms)
    reasons = Counter(why.of(one) for one in found.only_there)
    return Report(
        since_ms,
        until_ms,
        found.both,
        len(found.only_here),
        len(found.only_there),
        sorted(found.rows.values(), key=_most),
        sorted(found.people.values(), key=_most),
        found.people_alike,
        [Sample(one.name, one.person, one.time_ms, one.entry) for one in found.only_here[:samples]],
        [_sample(one, why) for one in found.only_there[:samples]],
        dict(reasons.most_common()),
        dict(Counter(one.name for one in others).most_common(20)),
        _hints(found, others, within_ms),
        cut_off=sum(not is_meant(one.time_ms) for one in meant),
    )


def _most(row: Row) -> tuple[int, str]:
    return -(row.only_here + row.only_there), row.event


def _sample(one: There, why: "_Reasons") -> Sample:
    entry, reason = why.look(one)
    return Sample(one.name, one.people[0] if one.people else "", one.time_ms, entry, reason)


def _hints(found: Matched, others: Sequence[There], within_ms: int) -> list[Hint]:
    return [] if found.is_alike and not others else hints(found.only_here, [*found.only_there, *others], within_ms)


class _Reasons:
    """Why an event that Customer.io has was not sent here: what became of the person's events of that time."""

    def __init__(self, unsent: Iterable[Here], within_ms: int) -> None:
        self._within_ms = within_ms
        self._by_id: dict[str, Here] = {}
        self._by_person: dict[str, list[tuple[int, str, str, str]]] = defaultdict(list)
        for one in unsent:
            self._by_id[one.event_id] = one
            self._by_person[one.person].append((one.time_ms, one.name, one.entry, one.why))
        for known in self._by_person.values():
            known.sort()

    def of(self, one: There) -> str:
        """The reason alone."""
        return self.look(one)[1]

    def look(self, one: There) -> tuple[str, str]:
        """The entry and the reason; a reason of its own where nothing of it is known."""
        if one.event_id and (same := self._by_id.get(one.event_id)):
            return same.entry, same.why
        for person in one.people:
            known, at_ms = self._by_person.get(person, []), one.time_ms or 0
            near = known[bisect_left(known, (at_ms - self._within_ms, "", "", "")) :]
            found = [row for row in near if row[0] <= at_ms + self._within_ms]
            if found:
                _, _, entry, why = next((row for row in found if row[1] == one.name), found[0])
                return entry, why
        return "", "never received"
