"""What an undisturbed run would have left, and how far the simulator is from it."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from config.integrations import Integration
from worker.mapping.mapper import Mapper
from worker.purchasely.event import read_event

_PAGE = 10_000


@dataclass
class Proof:
    """What was found; all but the counts of what was absorbed must be nothing."""

    lost: int = 0
    doubled: int = 0
    out_of_order: int = 0
    wrong_attributes: int = 0
    strangers: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.out_of_order or self.wrong_attributes or self.strangers)

    def note(self, text: str) -> None:
        """Keep the first few examples."""
        if len(self.examples) < 20:
            self.examples.append(text)


# After every event: none is from the future.
_LATER_MS = 10**13


def expected_attributes(integration: Integration, events: list[bytes]) -> dict[str, Any]:
    """A person's attributes after their events, each mapped and applied by itself, in order."""
    mapper, state, attributes = Mapper(integration), {}, {}
    for place, raw in enumerate(events):
        decision = mapper.decide(read_event(f"{_LATER_MS}-{place}", raw), _LATER_MS)
        who = mapper.person_of(decision)
        composed = mapper.compose([decision], {who: state.get(who)} if who else {})
        state |= composed.people
        for operation in composed.operations:
            item = orjson.loads(operation.body)
            if item["action"] == "identify":
                attributes |= item["attributes"]
    return {name: value for name, value in attributes.items() if value is not None and value != ""}


def prove(stack: Any, integration: Integration, histories: dict[str, list[bytes]]) -> Proof:
    """Compare the simulator with what it ought to hold."""
    proof = Proof()
    arrived = _arrived(stack)
    for person, events in histories.items():
        wanted = [orjson.loads(raw)["event_id"] for raw in events]
        found = arrived.pop(person, [])
        _compare(proof, person, wanted, found)
    for person in arrived:
        proof.strangers += 1
        proof.note(f"{person}: nobody sent anything of this person")
    people = _people(stack)
    for person, events in histories.items():
        wanted_attributes = expected_attributes(integration, events)
        found_attributes = people.get(person, {})
        if found_attributes != wanted_attributes:
            proof.wrong_attributes += 1
            names = sorted(
                name
                for name in wanted_attributes.keys() | found_attributes.keys()
                if wanted_attributes.get(name) != found_attributes.get(name)
            )
            shown = [(name, wanted_attributes.get(name), found_attributes.get(name)) for name in names]
            proof.note(f"{person}: attributes differ (name, wanted, found): {shown}")
    return proof


def _compare(proof: Proof, person: str, wanted: list[str], found: list[str]) -> None:
    counts = Counter(found)
    lost = [event for event in wanted if event not in counts]
    doubled = sum(count - 1 for count in counts.values())
    proof.lost += len(lost)
    proof.doubled += doubled
    if lost:
        proof.note(f"{person}: lost {lost}")
    if doubled:
        proof.note(f"{person}: doubled {[event for event, count in counts.items() if count > 1]}")
    if not lost and not doubled and found != wanted:
        proof.out_of_order += 1
        proof.note(f"{person}: arrived {found}, sent {wanted}")


def _arrived(stack: Any) -> dict[str, list[str]]:
    """The event ids at the simulator, by person, in order of arrival."""
    found: dict[str, list[str]] = {}
    for event in _pages(stack, "events"):
        (person,) = event["person"].values()
        found.setdefault(person, []).append(event["attributes"]["event_id"])
    return found


def arrived_names(stack: Any) -> dict[str, list[str]]:
    """The names under which each event id arrived."""
    found: dict[str, list[str]] = {}
    for event in _pages(stack, "events"):
        found.setdefault(event["attributes"]["event_id"], []).append(event["name"])
    return found


def _people(stack: Any) -> dict[str, dict[str, Any]]:
    return {
        person["identifiers"].get("id") or person["identifiers"]["email"]: person["attributes"]
        for person in _pages(stack, "people")
    }


def _pages(stack: Any, what: str) -> Any:
    after = 0
    while True:
        content = stack.http.get(
            f"{stack.simulator}/_inspect/{what}", params={"limit": _PAGE, "after": after}, timeout=60
        ).content
        page = orjson.loads(content)
        yield from page["items"]
        after = page["next"]
        if not after:
            return
