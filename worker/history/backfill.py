"""The plan of a replay: which retained events it would send again, and what would become of each."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Literal

import msgspec

from worker.dead.fates import Fate, Fates
from worker.dead.letter import letter_id, moved_entry
from worker.delivery.deciding import decide
from worker.errors import OperatorError
from worker.history.archive import ArchivedScan
from worker.history.scan import ALWAYS, Scan, Span
from worker.mapping.decision import Learn, Send
from worker.mapping.mapper import LATE_MS, Mapper
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event, read_event
from worker.purchasely.person import event_shard, person_names, plain_name
from worker.store.entries import entries
from worker.store.lane import Lane
from worker.store.layout import Layout

# A job keeps the archived events that it sends in Redis, some 1.4 kB each.
CARRIED_MOST = 100_000

Only = Literal["missing", "shadowed", "all"]


class Wanted(msgspec.Struct, frozen=True):
    """Which events: of which time, codes, person and entry (empty: any). `only`: see `relay replay`.

    What was settled in shadow is not missing: another sender delivered it then.
    """

    span: Span = ALWAYS
    events: frozenset[str] = frozenset()
    person: str = ""
    only: Only = "missing"
    entry: str = ""


class Plan(msgspec.Struct):
    """What a replay would do; counts of events.

    `matched` by time, code and person. Of these `would_send` go out; `delivered` of them were delivered before, so that
    Customer.io ignores the event and takes the properties. `already` were delivered and are left out, as `shadowed`
    are, which were settled in shadow. `filtered` and `failing` by reason: they would not be sent. `waiting` are
    delivered by themselves. `late` of those that go out are older than 72 h: they arrive, and start no campaign.
    """

    matched: int = 0
    would_send: int = 0
    delivered: int = 0
    already: int = 0
    shadowed: int = 0
    waiting: int = 0
    late: int = 0
    people: int = 0
    filtered: dict[str, int] = {}
    failing: dict[str, int] = {}


class Backfill:
    """Goes through the retained events of one integration; `plan` is what was found so far."""

    def __init__(
        self,
        scan: Scan,
        fates: Fates,
        mapper: Mapper,
        suppressed: frozenset[str],
        wanted: Wanted,
        layout: Layout | None = None,
    ) -> None:
        self._scan = scan
        self._fates = fates
        self._mapper = mapper
        self._suppressed = suppressed
        self._wanted = wanted
        self._layout = layout
        self._now_ms = time.time_ns() // 1_000_000
        self._people: set[str] = set()
        self.plan = Plan()
        self.carried: dict[str, bytes] = {}

    def chosen(self, lanes: Iterable[Lane]) -> Iterator[str]:
        """The ids of the events to send, lane by lane in the order of their streams.

        Those of the archive are in `carried` besides, with their bytes; so are those of people who were on this shard
        before there were more of them, for the lane where they are now.

        Raises:
            OperatorError: more of them are to be carried than one job does.
        """
        for lane in lanes:
            for _, rows in self._scan.pages([lane.key("events")], self._wanted.span):
                self._fates.expect(lane, rows[0][0].decode(), rows[-1][0].decode())
                for entry_id, raw in entries(rows):
                    event = self._read(entry_id, raw)
                    if event is not None and self._is_chosen(lane, event):
                        home = self._home(lane, event)
                        at_home = entry_id if home == lane.shard else moved_entry(entry_id)
                        dead_id = letter_id(lane.integration, home, at_home)
                        if home != lane.shard or self._is_archived(lane.key("events"), entry_id):
                            self._carry(dead_id, raw)
                        yield dead_id
        self.plan.people = len(self._people)

    @staticmethod
    def _read(entry_id: str, raw: bytes) -> Event | None:
        try:
            return read_event(entry_id, raw)
        except ValueError:
            return None  # a dead letter, which `relay dead` deals with

    def _is_chosen(self, lane: Lane, event: Event) -> bool:
        if not self._is_meant(event):
            return False
        plan = self.plan
        fate = self._fates.of(lane, event.entry_id, quick=True)
        if not self._is_open(fate):
            return False
        decision = decide(self._mapper, partial(_same, event), self._now_ms, self._suppressed)
        match decision:
            case Send():
                plan.would_send += 1
                plan.delivered += fate.outcome == "delivered"
                time_ms = event.received_ms if event.time_ms is None else event.time_ms
                plan.late += self._now_ms - time_ms > LATE_MS
                self._people.add(decision.who.digest)
                return True
            case Learn():
                _add(plan.filtered, decision.outcome.reason)
                return fate.outcome == "unknown"  # never counted here: what it says of the person is not known either
            case Filtered():
                _add(plan.filtered, decision.reason)
            case Dead():
                _add(plan.failing, decision.reason)
        return False

    def _is_open(self, fate: Fate) -> bool:
        """Whether an event with this fate is to be looked at; else it is counted, unless it is not meant."""
        plan, only = self.plan, self._wanted.only
        shadowed = (fate.outcome, fate.reason) == ("filtered", "shadow")
        if only == "shadowed" and not shadowed:
            return False
        plan.matched += 1
        if fate.outcome == "waiting":
            plan.waiting += 1
        elif fate.outcome == "delivered" and only == "missing":
            plan.already += 1
        elif shadowed and only == "missing":
            plan.shadowed += 1
        else:
            return True
        return False

    def _home(self, lane: Lane, event: Event) -> int:
        """The shard where the person of an event is now, if they were on the lane's own by a former layout."""
        if self._layout is None or not self._layout.former:
            return lane.shard
        home = event_shard(event.payload, self._mapper.integration.source_identity, event.key, self._layout.shards)
        return home if lane.shard in {home % number for number in self._layout.formerly} else lane.shard

    def _is_archived(self, stream: str, entry_id: str) -> bool:
        return isinstance(self._scan, ArchivedScan) and self._scan.written(stream, entry_id) is not None

    def _carry(self, dead_id: str, raw: bytes) -> None:
        if len(self.carried) >= CARRIED_MOST:
            raise OperatorError(
                f"more than {CARRIED_MOST:,} events match that are archived, or of people whose shard is another now; "
                "narrow it by --since, --until, --event or --person"
            )
        self.carried[dead_id] = raw

    def _is_meant(self, event: Event) -> bool:
        wanted = self._wanted
        if wanted.entry not in ("", event.entry_id):
            return False
        if wanted.events and event.name not in wanted.events:
            return False
        if not wanted.person:
            return True
        identity = self._mapper.integration.identity
        return plain_name(wanted.person) in person_names(event.payload, (*identity.id_fields, *identity.email_fields))


def _same(event: Event) -> Event:
    return event


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
