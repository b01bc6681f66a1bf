"""Journal: the events of a workspace in order of arrival, and what happened that no answer says."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import msgspec

from worker.simulator.people import Event, People, Person, move

LOG_MAX = 10_000

# not orjson: its bytes keep a buffer of 8 kB each, which thousands of kept events would add up
_encode = msgspec.json.Encoder().encode


class Log:
    """Notes by kind: every one counted, the newest kept."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.notes: deque[dict[str, Any]] = deque(maxlen=LOG_MAX)
        self._seq = 0

    def add(self, kind: str, at_s: int, **detail: Any) -> None:
        """Note that something happened."""
        self._seq += 1
        self.counts[kind] += 1
        self.notes.append({"seq": self._seq, "kind": kind, "at": at_s, **detail})

    def scan(self, after: int, *, newest: bool) -> Iterator[dict[str, Any]]:
        """Notes past a sequence number (0: all), in their order or the newest first."""
        if newest:
            return (note for note in reversed(self.notes) if not after or note["seq"] < after)
        return (note for note in self.notes if note["seq"] > after)

    def page(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Up to `limit` notes past a sequence number."""
        first = self.notes[0]["seq"] if self.notes else 0
        start = max(0, after + 1 - first)
        return [self.notes[at] for at in range(start, min(len(self.notes), start + limit))]


class Journal:
    """The events of a workspace in arrival order: all, or at least the newest `keep_events`."""

    def __init__(self, people: People, keep_events: int | None) -> None:
        self.total = 0
        self._people = people
        self._keep = keep_events
        self._events: list[Event] = []
        self._anonymous: dict[str, list[Event]] = {}

    def append(
        self,
        entity: dict[str, Any],
        who: tuple[str, str],
        moment: tuple[int, int],
        to: Person | None,
    ) -> None:
        """Keep an event, on a person or (None) on the anonymous id it names.

        `who` is the identifier it came under; `moment` is when it happened, in seconds, and when
        it was received, in milliseconds.
        """
        self.total += 1
        event = Event(
            self.total,
            entity["action"],
            entity["name"].strip(),
            entity.get("id"),
            *moment,
            *who,
            0 if to is None else to.serial,
            to_raw(entity.get("attributes", {})),
        )
        self._events.append(event)
        if to is None:
            self._anonymous.setdefault(event.value, []).append(event)
        else:
            to.events.append(event)
        # a quarter more than asked is kept, so that forgetting is rare and costs little an event
        if self._keep is not None and len(self._events) > self._keep + self._keep // 4:
            self._forget(len(self._events) - self._keep)

    def attach(self, anonymous_id: str, person: Person) -> None:
        """Give a person the events that came under an anonymous id."""
        events = self._anonymous.pop(anonymous_id, None)
        if events:
            move(events, person)

    def page(self, after: int, limit: int, name: str = "") -> list[Event]:
        """Up to `limit` events past a sequence number, of one name or of all."""
        first = self._events[0].seq if self._events else 0
        return page_events(self._events, max(0, after + 1 - first), limit, after, name)

    def scan(self, after: int, *, newest: bool) -> Iterator[Event]:
        """Events past a sequence number (0: all), in their order or the newest first."""
        if newest:
            return (event for event in reversed(self._events) if not after or event.seq < after)
        return (event for event in self._events if event.seq > after)

    def _forget(self, count: int) -> None:
        oldest = self._events[:count]
        del self._events[:count]
        first = oldest[-1].seq + 1
        for serial in {event.holder for event in oldest}:
            person = self._people.with_serial(serial)
            if person is not None:
                person.events = [event for event in person.events if event.seq >= first]
        for anonymous_id in {event.value for event in oldest if not event.holder}:
            kept = [e for e in self._anonymous.pop(anonymous_id, []) if e.seq >= first]
            if kept:
                self._anonymous[anonymous_id] = kept


def to_raw(value: Any) -> msgspec.Raw:
    """A value that was read from JSON as JSON again; null when it is nested a thousand deep."""
    try:
        return msgspec.Raw(_encode(value))
    except RecursionError:
        return msgspec.Raw(b"null")


def page_events(events: list[Event], start: int, limit: int, after: int, name: str) -> list[Event]:
    """Up to `limit` of the events from a place in the list, past a sequence number."""
    found: list[Event] = []
    for at in range(start, len(events)):
        if len(found) == limit:
            break
        event = events[at]
        if event.seq > after and (not name or event.name == name):
            found.append(event)
    return found
