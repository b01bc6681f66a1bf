"""Match of two records of the same events: the relay's own and Customer.io's, and what only one of them has.

An event is the same by Purchasely's id where both have it, else by name, person and about the same time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from worker.history.exported import There
from worker.history.shadowed import Here


class Row(msgspec.Struct):
    """One event name: how many events both have, and how many only one of them."""

    event: str
    both: int = 0
    only_here: int = 0
    only_there: int = 0


class Matched(msgspec.Struct):
    """What a match found; `people` has those with a difference, and their figures as a `Row` has them."""

    rows: dict[str, Row] = {}
    people: dict[str, Row] = {}
    people_alike: int = 0
    only_here: list[Here] = []
    only_there: list[There] = []

    @property
    def both(self) -> int:
        """How many events both have."""
        return sum(row.both for row in self.rows.values())

    @property
    def is_alike(self) -> bool:
        """Whether nothing differs."""
        return not self.only_here and not self.only_there


class Names:
    """One name for each person: who has an id and an e-mail address in one row is the id in all of them."""

    def __init__(self, there: Iterable[There]) -> None:
        self._known: dict[str, str] = {}
        for row in there:
            for other in row.people[1:]:
                self._known.setdefault(other, row.people[0])

    def of(self, person: str) -> str:
        """The name of somebody known by this one."""
        return self._known.get(person, person)

    def of_row(self, row: There) -> str:
        """The name of the person of a row; empty: it has none."""
        return self.of(row.people[0]) if row.people else ""


def match(
    here: Sequence[Here],
    there: Sequence[There],
    within_ms: int,
    is_meant: Callable[[int | None], bool] = lambda _: True,
) -> Matched:
    """Match what was sent (or would have been) with what Customer.io has.

    `within_ms`: how far two times of the same event may be apart. An event that only one side has counts if its time
    `is_meant`: beyond the edges of a comparison one side is cut off.
    """
    names, found = Names(there), Matched()
    pairs, left_here, left_there = _by_id(here, there, names)
    more, left_here, left_there = _by_time(left_here, left_there, names, within_ms)
    found.only_here = [one for one in left_here if is_meant(one.time_ms)]
    found.only_there = [one for one in left_there if is_meant(one.time_ms)]
    for one in (*pairs, *more):
        for row in _rows(found, one.name, names.of(one.person)):
            row.both += 1
    for one in found.only_here:
        for row in _rows(found, one.name, names.of(one.person)):
            row.only_here += 1
    for other in found.only_there:
        for row in _rows(found, other.name, names.of_row(other)):
            row.only_there += 1
    alike = [name for name, row in found.people.items() if not row.only_here and not row.only_there]
    for name in alike:
        del found.people[name]
    found.people_alike = len(alike)
    return found


def _rows(found: Matched, event: str, person: str) -> tuple[Row, Row]:
    return found.rows.setdefault(event, Row(event)), found.people.setdefault(person, Row(person))


def _by_id(here: Sequence[Here], there: Sequence[There], names: Names) -> tuple[list[Here], list[Here], list[There]]:
    """What has the same id, name and person on both sides; and what is left of each."""
    places = {(one.event_id, one.name): place for place, one in enumerate(there) if one.event_id}
    pairs: list[Here] = []
    left: list[Here] = []
    used: set[int] = set()
    for one in here:
        place = places.get((one.event_id, one.name))
        if place is None or place in used or names.of(one.person) != names.of_row(there[place]):
            left.append(one)
        else:
            used.add(place)
            pairs.append(one)
    return pairs, left, [one for place, one in enumerate(there) if place not in used]


def _by_time(
    here: Sequence[Here], there: Sequence[There], names: Names, within_ms: int
) -> tuple[list[Here], list[Here], list[There]]:
    """What has the same name and person, and about the same time; and what is left of each."""
    groups: dict[tuple[str, str], tuple[list[Here], list[There]]] = defaultdict(lambda: ([], []))
    for one in here:
        groups[one.name, names.of(one.person)][0].append(one)
    for other in there:
        groups[other.name, names.of_row(other)][1].append(other)
    pairs: list[Here] = []
    left_here: list[Here] = []
    left_there: list[There] = []
    for mine, theirs in groups.values():
        both, rest, others = _nearest(mine, theirs, within_ms)
        pairs += both
        left_here += rest
        left_there += others
    return pairs, left_here, left_there


def _nearest(mine: list[Here], theirs: list[There], within_ms: int) -> tuple[list[Here], list[Here], list[There]]:
    """Pairs of one name and person in the order of time; a row without a time goes with any."""
    timeless = [one for one in theirs if one.time_ms is None]
    timed = sorted((one.time_ms, place) for place, one in enumerate(theirs) if one.time_ms is not None)
    pairs: list[Here] = []
    left: list[Here] = []
    passed: list[int] = []
    at = 0
    for one in sorted(mine, key=lambda one: one.time_ms):
        while at < len(timed) and timed[at][0] < one.time_ms - within_ms:
            passed.append(at)
            at += 1
        if at < len(timed) and timed[at][0] <= one.time_ms + within_ms:
            pairs.append(one)
            at += 1
        elif timeless:
            timeless.pop()
            pairs.append(one)
        else:
            left.append(one)
    unpaired = [*passed, *range(at, len(timed))]
    return pairs, left, [*(theirs[timed[place][1]] for place in unpaired), *timeless]
