"""A person's timeline: what Purchasely said of them, what each integration made of it, their properties now.

Every identifier that an event names besides the one asked for is followed, two steps far: a login, a Customer.io id
given later, a transfer. What people share by mistake, as a device, is not followed further.
"""

import heapq
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from config.integrations import Integration
from worker.history.find import Finder, Found
from worker.history.scan import ALWAYS, Span
from worker.purchasely.person import text_id
from worker.store.entry_id import order

if TYPE_CHECKING:
    from worker.mapping.mapper import Mapper
    from worker.people.in_words import Part

_TRANSFERS: Final = (
    "transferred_to_user_id",
    "transferred_from_user_id",
    "transferred_to_anonymous_user_id",
    "transferred_from_anonymous_user_id",
)
# A person has a handful of identifiers; a shared placeholder must not pull in half the customers.
_NAMES: Final = 12
_ROUNDS: Final = 2
_LOOKED_AT: Final = 1000


Spot = tuple[int, int, int, str]


class PropertyValue(msgspec.Struct, frozen=True):
    """A property's value now, and the event that gave it; `event_id` empty: an event that is no longer kept.

    `property` is its name in the catalogue, where the integration gives it another.
    """

    value: Any
    property: str
    event_id: str = ""
    at_ms: int = 0
    event_name: str = ""


class Known(msgspec.Struct, frozen=True):
    """What one integration knows of a person: properties by the name they are sent under, the subscription in words."""

    properties: dict[str, PropertyValue]
    subscription: "list[Part]"


class Timeline:
    """Finds everything that is kept of one person, or what was received up to a time (Unix ms), on every shard."""

    def __init__(self, finder: Finder, until_ms: int | None = None) -> None:
        self._finder = finder
        self._span = ALWAYS if until_ms is None else Span(None, until_ms)
        self._all: tuple[set[str], list[Found]] | None = None  # of these names, everything that there is

    def names(self, ident: str) -> set[str]:
        """The identifiers that belong to the same person, the one asked for among them."""
        names = {ident}
        for everywhere in (False, True) if self._span == ALWAYS else (True,):
            near = list(islice(self._finder.person(names, self._span, everywhere=everywhere), _LOOKED_AT))
            if near and self._finder.has_all_of(ident, near):
                break
        for _ in range(_ROUNDS):
            known = len(names)
            for name in sorted({name for found in near for name in self._names_of(found)}):
                if len(names) < _NAMES:
                    names.add(name)
            if len(names) == known:
                break
            again = list(islice(self._finder.person(names, self._span), _LOOKED_AT))
            near = _joined(near, again) if self._finder.is_cut else again
        if len(near) < _LOOKED_AT or self._finder.is_cut:
            self._all = set(names), near
        return names

    def events(self, names: set[str], after: Spot | None = None) -> Iterator[Found]:
        """Their events, newest first, each once; only those that come after a spot, if one is given."""
        span = Span(None, -after[0]) if after else self._span
        by_stream: dict[tuple[str, int], list[Found]] = {}
        for found in self._all[1] if self._all and self._all[0] == names else self._finder.person(names, span):
            by_stream.setdefault((found.source, found.shard), []).append(found)
        last = after
        for found in heapq.merge(*by_stream.values(), key=spot):
            if last is None or spot(found) > last:
                last = spot(found)
                yield found

    def _names_of(self, found: Found) -> set[str]:
        payload = found.event.payload
        transferred = {name for field in _TRANSFERS if (name := text_id(payload.get(field)))}
        return self._finder.names_of(found.source, found.event) | transferred


def _joined(one: list[Found], other: list[Found]) -> list[Found]:
    """Both, newest first: a search that was cut may not find again what it found."""
    return sorted({spot(found): found for found in (*one, *other)}.values(), key=spot)


def known_of(mapper: "Mapper", events: list[Found], state: bytes, now_ms: int) -> Known:
    """What an integration knows of a person by the state that it keeps; `events` are newest first."""
    from worker.people.in_words import in_words  # noqa: PLC0415 - as `property_values`
    from worker.people.person import decode  # noqa: PLC0415 - as above

    said = in_words(decode(state), mapper.integration.plans, now_ms)
    return Known(property_values(mapper, events, state, now_ms), said)


def property_values(
    mapper: "Mapper", events: list[Found], state: bytes | None, now_ms: int
) -> dict[str, PropertyValue]:
    """The properties that the stored state comes to, by the name they are sent under, each with its event.

    The kept events are played through the mapping, oldest first; a property is of the last event that gave it the value
    that it has now. `events` are newest first.
    """
    from worker.people.person import decode  # noqa: PLC0415 - most questions have no use for it
    from worker.people.properties import compile_properties  # noqa: PLC0415 - as above

    integration = mapper.integration
    compute = compile_properties(integration.properties, integration.plans)
    now = _named(compute(decode(state)), integration)
    sources: dict[str, tuple[object, str, int, str]] = {}
    played: dict[str, bytes] = {}
    last: dict[str, Any] = {}
    for found in reversed(events):
        try:
            decision = mapper.decide(found.event, now_ms)
            played |= mapper.compose([decision], played).people
        except Exception:  # noqa: BLE001, S112 - an event that the mapping fails at gave nothing
            continue
        digest = mapper.person_of(decision)
        values = _named(compute(decode(played.get(digest))), integration) if digest else last
        for name, value in values.items():
            if name not in last or last[name] != value:
                event = found.event
                sources[name] = (value, event.key, event.time_ms or event.received_ms, event.name)
        last = values
    own = {shown: name for name, shown in integration.properties.items()}
    return {
        name: PropertyValue(value, own.get(name, name), *sources[name][1:])
        if name in sources and sources[name][0] == value
        else PropertyValue(value, own.get(name, name))
        for name, value in now.items()
    }


def _named(values: Mapping[str, Any], integration: Integration) -> dict[str, Any]:
    return {integration.properties.get(name, name): value for name, value in values.items()}


def spot(found: Found) -> Spot:
    """Where an event is in a timeline: newest first; two shards, or two sources, may have entries of one id."""
    ms, number = order(found.entry_id)
    return -ms, -number, found.shard, found.source
