"""Effects of a configuration: what a comparison found, event by event and person by person, added up over shards."""

from typing import Literal

import msgspec

Effect = Literal["newly_sent", "no_longer_sent", "renamed", "newly_dead", "no_longer_dead", "changed"]

# How many examples are shown.
SAMPLES = 5


class Sample(msgspec.Struct, frozen=True):
    """One event or person as an example: where the event is, who it is about, what it is now and would be then."""

    entry: str
    event_id: str
    event_name: str
    person: str
    before: str
    after: str


class Detail(msgspec.Struct):
    """One kind of a tally: the event's name, how many events and people, when the last one came (Unix ms), examples."""

    event_name: str
    events: int = 0
    people: int = 0
    last_ms: int = 0
    samples: list[Sample] = []

    def add(self, other: "Detail") -> None:
        """Add the same kind of another shard."""
        self.events += other.events
        self.people += other.people
        self.last_ms = max(self.last_ms, other.last_ms)
        self.samples = [*self.samples, *other.samples][:SAMPLES]


class Tally(msgspec.Struct):
    """How many events, and of how many people, with examples; `kinds` counts the events by what happens to them."""

    events: int = 0
    people: int = 0
    kinds: dict[str, int] = {}
    samples: list[Sample] = []
    details: dict[str, Detail] = {}

    def add(self, other: "Tally") -> None:
        """Add the tally of another shard: a person is on one shard, so people add up."""
        self.events += other.events
        self.people += other.people
        for kind, number in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + number
        self.samples = [*self.samples, *other.samples][:SAMPLES]
        for kind, detail in other.details.items():
            self.details.setdefault(kind, Detail(detail.event_name)).add(detail)


class Sides(msgspec.Struct):
    """A number under the revision before, and under the one after."""

    before: int = 0
    after: int = 0


class Found(msgspec.Struct):
    """What a comparison found: events looked at, a tally for each effect, people whose properties would differ.

    `sent` and `dead` are how many events were sent, and how many failed by what is known before they are sent.
    """

    events: int = 0
    sent: Sides = msgspec.field(default_factory=Sides)
    dead: Sides = msgspec.field(default_factory=Sides)
    effects: dict[str, Tally] = {}
    people: Tally = msgspec.field(default_factory=Tally)

    def add(self, other: "Found") -> None:
        """Add what was found on another shard."""
        self.events += other.events
        for mine, more in ((self.sent, other.sent), (self.dead, other.dead)):
            mine.before += more.before
            mine.after += more.after
        self.people.add(other.people)
        for effect, tally in other.effects.items():
            self.effects.setdefault(effect, Tally()).add(tally)
