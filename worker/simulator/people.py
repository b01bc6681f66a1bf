"""The people of one workspace: who answers to which identifier, and how two become one."""

from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from worker.simulator.limits import canonical

IDENTITIES = ("id", "email", "phone")


class Event(msgspec.Struct, gc=False):
    """One event that was applied. `seq` counts arrivals; `holder` is a person's serial or 0.

    `attributes` are JSON: as a dict they take four times the memory.
    """

    seq: int
    action: str
    name: str
    id: Any
    timestamp: int
    received_ms: int
    kind: str
    value: str
    holder: int
    attributes: msgspec.Raw


class Person:
    """A profile. `times` has the second of the newest word on every attribute, removals too."""

    __slots__ = ("anonymous", "attributes", "devices", "events", "names", "serial", "times")

    def __init__(self, serial: int) -> None:
        self.serial = serial
        self.names: dict[str, str] = {"cio_id": f"a3{serial:06x}"}
        self.attributes: dict[str, Any] = {}
        self.times: dict[str, int] = {}
        self.events: list[Event] = []
        self.devices: dict[str, dict[str, Any]] = {}
        self.anonymous: list[str] = []


class People:
    """The people, by every identifier they have."""

    def __init__(self) -> None:
        self._serial = 0
        self._people: dict[int, Person] = {}
        self._index: dict[tuple[str, str], Person] = {}

    def __len__(self) -> int:
        return len(self._people)

    def find(self, kind: str, value: str) -> Person | None:
        """The person who answers to an identifier; `anonymous_id` once a person has claimed it."""
        return self._index.get((kind, value))

    def with_serial(self, serial: int) -> Person | None:
        """The person that an event's `holder` means, if still there."""
        return self._people.get(serial)

    def create(self, kind: str, value: str) -> Person:
        """A new person with one identifier."""
        self._serial += 1
        person = self._people[self._serial] = Person(self._serial)
        self._index["cio_id", person.names["cio_id"]] = person
        self.give(person, kind, value)
        return person

    def give(self, person: Person, kind: str, value: str) -> None:
        """Name a person, instead of the name of that kind it had."""
        if kind in person.names:
            del self._index[kind, person.names[kind]]
        person.names[kind] = value
        self._index[kind, value] = person

    def take(self, person: Person, kind: str) -> None:
        """Remove a person's name of one kind."""
        if kind in person.names:
            del self._index[kind, person.names.pop(kind)]

    def claim(self, person: Person, anonymous_id: str) -> bool:
        """Make an anonymous id this person's; False when another has it, for it is not reusable."""
        owner = self._index.setdefault(("anonymous_id", anonymous_id), person)
        if owner is person and anonymous_id not in person.anonymous:
            person.anonymous.append(anonymous_id)
        return owner is person

    def drop(self, person: Person) -> None:
        """Delete a person and free its identifiers."""
        del self._people[person.serial]
        for kind, value in person.names.items():
            del self._index[kind, value]
        for anonymous_id in person.anonymous:
            del self._index["anonymous_id", anonymous_id]

    def resolve(self, kind: str, value: str, claims: dict[str, str]) -> Person | str | None:
        """Who an identify is about: a person, None for a new one, or why it cannot be applied.

        A new id with an e-mail that someone without an id owns means that someone.
        """
        person = self.find(kind, value)
        for claimed_kind, claimed in claims.items():
            owner = self.find(claimed_kind, claimed)
            if owner is None or owner is person:
                continue
            if person is not None or kind in owner.names or kind == "cio_id":
                return f"{claimed_kind} belongs to another person"
            person = owner
        return person

    def merge(self, primary: Person, secondary: Person) -> None:
        """Fill what is empty in the primary, move the events, delete the secondary."""
        self.drop(secondary)
        for kind, value in secondary.names.items():
            if kind not in primary.names:
                self.give(primary, kind, value)
        for name, content in secondary.attributes.items():
            if name not in primary.attributes:
                primary.attributes[name] = content
                primary.times[name] = secondary.times[name]
        for anonymous_id in secondary.anonymous:
            self.claim(primary, anonymous_id)
        primary.devices = {**secondary.devices, **primary.devices}
        move(secondary.events, primary)

    def page(self, after: int, limit: int, *, newest: bool = False) -> list[Person]:
        """Up to `limit` people by serial, past a serial (0: from the start)."""
        people: Iterator[Person] = iter(self._people.values())
        if newest:
            people = reversed(self._people.values())
            return list(islice((p for p in people if not after or p.serial < after), limit))
        return list(islice((p for p in people if p.serial > after), limit))

    def search(self, text: str) -> Person | None:
        """The person with an identifier of any kind that reads so."""
        for kind in (*IDENTITIES, "cio_id", "anonymous_id"):
            person = self.find(kind, canonical(kind, text))
            if person is not None:
                return person
        return None


def move(events: list[Event], person: Person) -> None:
    """Give events to a person, in their places by arrival."""
    for event in events:
        event.holder = person.serial
    person.events = sorted((*person.events, *events), key=attrgetter("seq"))
