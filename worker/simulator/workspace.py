"""One workspace's state and what each accepted entity does to it; the clock is handed in."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from worker.simulator.defects import find_defects
from worker.simulator.entities import EVENT_ACTIONS, is_event_id
from worker.simulator.journal import Journal, Log
from worker.simulator.limits import TIME_MAX_S, Rules, address
from worker.simulator.people import People
from worker.simulator.profiles import Profiles

Entity = dict[str, Any]


class Workspace:
    """People, events, and what happened to them. `apply` takes entities that passed the checks.

    `keep_events` bounds the events that are kept (the ids seen are all kept); `lean` keeps none,
    and no people: it checks, deduplicates and counts.
    """

    def __init__(
        self,
        rules: Rules,
        clock: Callable[[], float],
        *,
        keep_events: int | None = None,
        lean: bool = False,
    ) -> None:
        self.people = People()
        self.journal = Journal(self.people, keep_events)
        self.profiles = Profiles(self.people, self.journal, rules, self._ignore)
        self.activity = Log()
        self.defects = Log()
        self.refused = Log()
        self.counts: Counter[str] = Counter()
        self._scope = rules.ulid_scope
        self._clock = clock
        self._lean = lean
        self._seen: set[Any] = set()
        self._suppressed: dict[tuple[str, str], frozenset[tuple[str, str]]] = {}

    def apply(self, entities: Iterable[Entity]) -> None:
        """Apply entities in their order."""
        for entity in entities:
            self.counts["accepted"] += 1
            for kind, value in find_defects(entity):
                self.add_defect(kind, value, describe(entity))
            if entity["type"] != "person":
                self._ignore("not simulated", "", entity["type"])
            elif self._lean:
                self._count(entity)
            elif entity["action"] == "merge":
                self.profiles.merge([address(entity[side]) for side in ("primary", "secondary")])
            else:
                self._act(entity, *address(entity["identifiers"]))

    def reject(self, errors: Iterable[dict[str, Any]]) -> None:
        """Count the items that an answer called invalid."""
        self.counts["rejected"] += len({error.get("batch_index") for error in errors})

    def refuse(self, status: int, path: str, why: str, person: str = "") -> None:
        """Note a request, or an item of one, that was answered with an error."""
        self.refused.add(str(status), int(self._clock()), path=path, why=why, person=person)

    def add_defect(self, kind: str, value: Any, person: str = "") -> None:
        """Note what a correct client would not have sent, and for which person."""
        self.defects.add(kind, int(self._clock()), value=value, person=person)

    def note(self, why: str, what: str) -> None:
        """Note a request that was accepted, has no effect here, and is about nobody."""
        self.counts["accepted"] += 1
        self._ignore(why, "", what)

    def drop(self, entities: list[Entity]) -> None:
        """Lose entities after accepting them, as Customer.io may under overload."""
        self.counts["accepted"] += len(entities)
        self._ignore("over the rate limit", "", f"{len(entities)} dropped")

    def _act(self, entity: Entity, kind: str, value: str) -> None:
        action = entity["action"]
        if (kind, value) in self._suppressed and action != "unsuppress":
            self._ignore("suppressed", f"{kind}:{value}", action)
            return
        match action:
            case "event" | "page" | "screen":
                self._event(entity, kind, value)
            case "identify":
                self.profiles.identify(entity, kind, value, self._time_s(entity))
            case "delete":
                self.profiles.delete(kind, value)
            case "suppress":
                self._suppress(kind, value)
            case "unsuppress":
                for name in self._suppressed.get((kind, value), ()):
                    self._suppressed.pop(name, None)
            case "add_device":
                self.profiles.add_device(entity["device"], kind, value)
            case "delete_device":
                self.profiles.delete_device(entity["device"], kind, value)
            case _:
                self._ignore("not simulated", f"{kind}:{value}", action)

    def _count(self, entity: Entity) -> None:
        if entity["action"] in EVENT_ACTIONS and self._is_new(entity, *address(entity["identifiers"])):
            self.journal.total += 1

    def _event(self, entity: Entity, kind: str, value: str) -> None:
        """Keep an event; its person is created if need be, except by a cio_id nobody has."""
        person = self.people.find(kind, value)
        if person is None and kind == "cio_id":
            self._ignore("unknown cio_id", f"{kind}:{value}", entity["name"])
        elif self._is_new(entity, kind, value):
            if person is None and kind != "anonymous_id":
                person = self.people.create(kind, value)
            received_ms = int(self._clock() * 1000)
            self.journal.append(entity, (kind, value), (self._time_s(entity), received_ms), person)

    def _is_new(self, entity: Entity, kind: str, value: str) -> bool:
        """Whether an event's ULID was not seen before; the first wins. Other ids never match."""
        event_id = entity.get("id")
        if not is_event_id(event_id):
            return True
        key = event_id if self._scope == "workspace" else (event_id, kind, value)
        if key in self._seen:
            self.counts["duplicates"] += 1
            self._ignore("duplicate", f"{kind}:{value}", str(event_id))
            return False
        self._seen.add(key)
        return True

    def _suppress(self, kind: str, value: str) -> None:
        """Delete a person and block every identifier it had."""
        person = self.people.find(kind, value)
        blocked = {(kind, value)}
        if person is not None:
            blocked.update(person.names.items())
            self.people.drop(person)
        self._suppressed.update(dict.fromkeys(blocked, frozenset(blocked)))

    def _time_s(self, entity: Entity) -> int:
        """When it happened; an invalid timestamp is replaced by now, silently."""
        timestamp = entity.get("timestamp")
        if type(timestamp) is int and 0 <= timestamp < TIME_MAX_S:
            return timestamp
        return int(self._clock())

    def _ignore(self, why: str, who: str, what: str) -> None:
        """Note what was accepted with a 200 and yet not applied."""
        self.activity.add(why, int(self._clock()), person=who, detail=what)


def describe(entity: Any) -> str:
    """Who an entity is about, as `kind:value`, as far as it can be read; an empty text if it cannot."""
    identifiers = (entity.get("identifiers") or entity.get("primary")) if isinstance(entity, dict) else None
    if not isinstance(identifiers, dict):
        return ""
    return next((f"{kind}:{value}" for kind, value in identifiers.items() if isinstance(value, str | int)), "")
