"""Hints at one cause of many differences: another name, another identifier, a shifted clock."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from worker.history.exported import There
from worker.history.shadowed import Here

# Fewer pairs than this are a coincidence.
_PAIRS: Final = 3
_SHIFT_MS: Final = 26 * 3_600_000  # the widest distance of two zones
_HALF_HOUR_MS: Final = 1_800_000
_SAME_MS: Final = 2_000
_LOOKED_AT: Final = 20_000

Cause = Literal["other_name", "other_person", "other_time"]
Pair = tuple[Here, There]


class Hint(msgspec.Struct, frozen=True):
    """What is `here` one thing is `there` another: names, an example of people, or hours; and for how many events."""

    cause: Cause
    here: str
    there: str
    events: int


def hints(here: Sequence[Here], there: Sequence[There], within_ms: int) -> list[Hint]:
    """What would explain events that only one side has; `there` may have events of names that nobody asked about."""
    here, there = here[:_LOOKED_AT], there[:_LOOKED_AT]
    found = [*_other_names(here, there, within_ms), *_other_people(here, there), *_other_times(here, there)]
    return sorted((one for one in found if one.events >= _PAIRS), key=lambda one: -one.events)


def _other_names(here: Sequence[Here], there: Sequence[There], within_ms: int) -> Iterator[Hint]:
    """The same person at the same time, under a name that the other side never uses."""
    ours, theirs = {one.name for one in here}, {one.name for one in there}
    pairs = _pairs(
        ((one.person, one) for one in here if one.name not in theirs),
        ((person, one) for one in there if one.name not in ours for person in one.people),
        within_ms,
    )
    counts = Counter((one.name, other.name) for one, other in pairs)
    taken: set[str] = set()
    for (name, other), number in counts.most_common():
        if name not in taken and other not in taken:
            taken |= {name, other}
            yield Hint("other_name", name, other, number)


def _other_people(here: Sequence[Here], there: Sequence[There]) -> Iterator[Hint]:
    """The same event at the same second, of somebody who the other side does not know."""
    ours, theirs = {one.person for one in here}, {person for one in there for person in one.people}
    pairs = _pairs(
        ((one.name, one) for one in here if one.person not in theirs),
        ((one.name, one) for one in there if one.people and not ours.intersection(one.people)),
        _SAME_MS,
    )
    examples = [(one, other) for one, other in pairs if one.person]
    if examples:
        one, other = examples[0]
        yield Hint("other_person", one.person, other.people[0], len({one.entry for one, _ in examples}))


def _other_times(here: Sequence[Here], there: Sequence[There]) -> Iterator[Hint]:
    """The same event of the same person, whole half hours apart: a zone."""
    pairs = _pairs(
        (((one.name, one.person), one) for one in here),
        (((one.name, person), one) for one in there for person in one.people[:1]),
        _SHIFT_MS,
    )
    shifts = ((other.time_ms or 0) - one.time_ms for one, other in pairs)
    counts = Counter(round(ms / _HALF_HOUR_MS) for ms in shifts if abs(ms % _HALF_HOUR_MS) < _SAME_MS)
    for halves, number in counts.most_common(1):
        if halves:
            yield Hint("other_time", "0 h", f"{halves / 2:+g} h", number)


def _pairs(
    here: Iterable[tuple[Hashable, Here]], there: Iterable[tuple[Hashable, There]], within_ms: int
) -> Iterator[Pair]:
    """Events with the same key and times that are near."""
    groups: dict[Hashable, list[There]] = defaultdict(list)
    for key, other in there:
        if other.time_ms is not None:
            groups[key].append(other)
    for key, one in here:
        for other in groups.get(key, ())[:200]:
            if abs((other.time_ms or 0) - one.time_ms) <= within_ms:
                yield one, other
