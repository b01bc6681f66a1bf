"""Profiles: the effect of an identify, a merge, a deletion or a device on a person."""

from collections.abc import Callable
from typing import Any

from worker.simulator.journal import Journal
from worker.simulator.limits import Rules, canonical
from worker.simulator.people import IDENTITIES, People, Person

Entity = dict[str, Any]
# Notes what was accepted with a 200 and yet not applied: why, to which person, what.
Ignore = Callable[[str, str, str], None]

FAILURE = "Attribute Update Failure"

# Attributes that are instructions or identifiers, not contents of a profile.
_NOT_STORED = frozenset({*IDENTITIES, "cio_id", "_update", "_timestamp", "cio_relationships"})


class Profiles:
    """The people of a workspace, as entities change them."""

    def __init__(self, people: People, journal: Journal, rules: Rules, ignore: Ignore) -> None:
        self.stale_attributes = 0
        self._people = people
        self._journal = journal
        self._rules = rules
        self._ignore = ignore

    def identify(self, entity: Entity, kind: str, value: str, time_s: int) -> None:
        """Set a person's identifiers and attributes; a person nobody knew is created."""
        attributes = entity.get("attributes") or {}
        claims = {
            claimed: canonical(claimed, attributes[claimed])
            for claimed in IDENTITIES
            if claimed in attributes and is_identifier(attributes[claimed])
        }
        known = self._people.find(kind, value)
        person = self._people.resolve(kind, value, claims) if claims else known
        who = f"{kind}:{value}"
        if known is None and attributes.get("_update") is True:
            self._ignore("nobody to update", who, "_update")
        elif known is None and kind in ("cio_id", "anonymous_id"):
            self._ignore(f"unknown {kind}", who, "identify")
        elif isinstance(person, str):
            self._ignore(FAILURE, who, person)
        else:
            person = person or self._people.create(kind, value)
            if kind in IDENTITIES and kind not in person.names:
                self._people.give(person, kind, value)
            for claimed, name in claims.items():
                self._name(person, kind, claimed, name, time_s)
            if attributes.get("email", "kept") in (None, "") and kind != "email":
                self._name(person, kind, "email", "", time_s)
            self._update(person, attributes, time_s)

    def merge(self, sides: list[tuple[str, str]]) -> None:
        """Merge the second person into the first; without either nothing happens."""
        primary, secondary = (self._people.find(*side) for side in sides)
        who = ":".join(sides[0])
        if primary is None or secondary is None:
            self._ignore("nobody to merge", who, "primary" if primary is None else "secondary")
        elif primary is secondary:
            self._ignore("nobody to merge", who, "both sides are one person")
        else:
            self._people.merge(primary, secondary)

    def delete(self, kind: str, value: str) -> Person | None:
        """Delete a person and free its identifiers; None when nobody answers to this one."""
        person = self._people.find(kind, value)
        if person is None:
            self._ignore("nobody to delete", f"{kind}:{value}", "delete")
        else:
            self._people.drop(person)
        return person

    def add_device(self, device: Entity, kind: str, value: str) -> None:
        """Keep a device by its token; like any call that names an id, it creates the person."""
        person = self._people.find(kind, value)
        if person is None and kind == "cio_id":
            self._ignore("unknown cio_id", f"{kind}:{value}", "add_device")
        else:
            person = person or self._people.create(kind, value)
            person.devices[device["token"]] = device

    def delete_device(self, device: Entity, kind: str, value: str) -> None:
        """Forget a device."""
        person = self._people.find(kind, value)
        if person is None or person.devices.pop(device["token"], None) is None:
            self._ignore("no such device", f"{kind}:{value}", "delete_device")

    def _name(self, person: Person, by: str, kind: str, name: str, time_s: int) -> None:
        """Give a person an identifier (empty: remove it); once set it changes by cio_id only."""
        if person.names.get(kind, "") == name:
            return
        if person.times.get(kind, 0) > time_s:
            self.stale_attributes += 1
            self._ignore("stale", who(person), kind)
            return
        by_any = kind == "email" and self._rules.email_update == "by-any"
        if name and kind in person.names and by != "cio_id" and not by_any:
            self._ignore(FAILURE, who(person), f"{kind} is set, and changes by cio_id only")
            return
        person.times[kind] = time_s
        if name:
            self._people.give(person, kind, name)
        else:
            self._people.take(person, kind)

    def _update(self, person: Person, attributes: Entity, time_s: int) -> None:
        """Set and remove attributes, each unless the profile has a newer word on it."""
        times, stored = person.times, person.attributes
        stale = []
        for name, value in attributes.items():
            if name in _NOT_STORED:
                continue
            if times.get(name, 0) > time_s:
                stale.append(name)
                continue
            times[name] = time_s
            if value is None or value == "":
                stored.pop(name, None)
            else:
                stored[name] = value
        if stale:
            self.stale_attributes += len(stale)
            self._ignore("stale", who(person), ", ".join(stale))
        anonymous_id = attributes.get("anonymous_id")
        if anonymous_id and "anonymous_id" not in stale:
            self._claim(person, str(anonymous_id))

    def _claim(self, person: Person, anonymous_id: str) -> None:
        if self._people.claim(person, anonymous_id):
            self._journal.attach(anonymous_id, person)
        else:
            self._ignore(FAILURE, who(person), "anonymous_id is another's")


def is_identifier(value: Any) -> bool:
    """Whether an attribute's value can name a person."""
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def who(person: Person) -> str:
    """A person in a note: its first identifier, as `kind:value`."""
    kind = next((kind for kind in IDENTITIES if kind in person.names), "cio_id")
    return f"{kind}:{person.names[kind]}"
