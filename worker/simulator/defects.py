"""Defects: what Customer.io accepts but a correct client never sends."""

from collections.abc import Iterable
from typing import Any

from worker.simulator.entities import EVENT_ACTIONS
from worker.simulator.limits import TIME_MAX_S, TIME_MIN_S, is_ulid

DEFECTS = {
    "timestamp_in_ms": "a timestamp that is milliseconds, or otherwise past the year 5138",
    "timestamp_too_small": "a timestamp before September 2001: not Unix seconds",
    "timestamp_not_integer": "a timestamp that is no integer: Customer.io takes now instead",
    "event_without_id": "an event without an id: a resend of it would count twice",
    "event_id_not_ulid": "an event id that is no ULID: a resend of it may count twice",
    "name_with_spaces": "an event name with spaces around it",
    "cio_prefix": "cio_ in front of a v2 cio_id: nobody has that",
    "timestamp_attribute": "_timestamp among v2 attributes: timestamp goes beside them",
    "data_instead_of_attributes": "data in a v2 event: it is lost",
    "event_without_anyone": "an anonymous event with neither anonymous_id nor data.recipient",
    "concurrent_person": "one person in two requests at the same time: their order is lost",
}

Found = list[tuple[str, Any]]


def find_defects(entity: dict[str, Any]) -> Found:
    """The kinds of defects of an accepted entity, each with the value that shows it."""
    found: Found = []
    if "timestamp" in entity:
        _check_time(entity["timestamp"], found)
    action = entity["action"]
    if action in EVENT_ACTIONS:
        _check_event(entity, found)
    elif action == "identify" and "_timestamp" in entity.get("attributes", ()):
        found.append(("timestamp_attribute", entity["attributes"]["_timestamp"]))
    for field in ("identifiers", "primary", "secondary"):
        identifiers = entity.get(field)
        if identifiers and str(identifiers.get("cio_id", "")).startswith("cio_"):
            found.append(("cio_prefix", identifiers["cio_id"]))
    return found


def _check_time(timestamp: Any, found: Found) -> None:
    if type(timestamp) is not int:
        found.append(("timestamp_not_integer", timestamp))
    elif timestamp >= TIME_MAX_S:
        found.append(("timestamp_in_ms", timestamp))
    elif timestamp <= TIME_MIN_S:
        found.append(("timestamp_too_small", timestamp))


def _check_event(entity: dict[str, Any], found: Found) -> None:
    event_id, name = entity.get("id"), entity["name"]
    if event_id is None:
        found.append(("event_without_id", name))
    elif type(event_id) is not str or not is_ulid(event_id):
        found.append(("event_id_not_ulid", event_id))
    if name != name.strip():
        found.append(("name_with_spaces", name))
    if "data" in entity and "attributes" not in entity:
        found.append(("data_instead_of_attributes", name))


class Overlaps:
    """Who is in more than one request at a time, a request lasting from its headers to its answer.

    A request is applied at once when its body is complete, so two of one person overlap when the
    later applied one opened before the earlier one was answered: hence a tick per opening and end.
    """

    def __init__(self) -> None:
        self._tick = 0
        self._open: dict[int, frozenset[Any]] = {}
        self._ended: dict[Any, int] = {}

    def open(self) -> int:
        """A request has begun; its ticket."""
        self._tick += 1
        self._open[self._tick] = frozenset()
        return self._tick

    def touch(self, ticket: int, people: Iterable[Any]) -> set[Any]:
        """A request is about these people; those of them that another one at the time is about."""
        mine = self._open[ticket] = frozenset(people)
        found = {one for one in mine if self._ended.get(one, 0) > ticket} if self._ended else set()
        for other, theirs in self._open.items():
            if other != ticket and theirs:
                found |= mine & theirs
        return found

    def close(self, ticket: int) -> None:
        """A request has its answer, or its caller has gone."""
        people = self._open.pop(ticket)
        self._tick += 1
        if not self._open:
            self._ended.clear()
            return
        self._ended.update(dict.fromkeys(people, self._tick))
        if len(self._ended) > 100_000:
            oldest = min(self._open)
            self._ended = {one: end for one, end in self._ended.items() if end > oldest}
