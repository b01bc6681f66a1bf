"""Requests to Customer.io, for deliveries and replays alike: decide, compose, send."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from worker.customerio.answer import Answer
from worker.customerio.sender import Attempt
from worker.customerio.spans import Spans
from worker.delivery.deciding import NOBODY, crashed, decide
from worker.delivery.judging import Request
from worker.errors import RelayError, StoppedError
from worker.mapping.batching import Fill, request_body, request_size_bytes
from worker.mapping.decision import Composed, Decision
from worker.mapping.mapper import Mapper
from worker.mapping.operation import REQUEST_LIMIT_BYTES
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import Event, read_event
from worker.store.entries import Entry
from worker.store.keys import person_key
from worker.store.lane import Lane
from worker.store.lease import Lease

# Events in a row that are buried for a refusal although nobody else was served since: a destination may refuse all.
UNPROVED = 2

_SHADOW = Filtered("shadow")


class Post(Protocol):
    """What a request needs of the sender."""

    unproved: int
    """Events refused in a row with nobody to compare; the sender resets it when anybody is served."""

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = ...) -> tuple[Answer, list[Attempt]]:
        """The last answer and all attempts."""
        ...


class Sent(Protocol):
    """What a span needs of an event: the entry that it is stored as."""

    # ruff: noqa: D102
    @property
    def entry_id(self) -> str: ...


class Waiting(msgspec.Struct):
    """An event that was read, not yet settled; decided when its turn comes, since deciding may kill the process."""

    entry_id: str
    raw: bytes
    decision: Decision | None = None

    def event(self) -> Event:
        """The event itself.

        Raises:
            ValueError: the bytes are no JSON object.
        """
        return read_event(self.entry_id, self.raw)


class Requests:
    """Makes and sends the requests of one lease; keeps the states of people that a settle has read ahead."""

    def __init__(
        self,
        lane: Lane,
        mapper: Mapper,
        post: Post,
        read_states: Callable[[Sequence[str]], list[bytes | None]],
        fill: Fill,
        stopping: Callable[[], bool],
        suppressed: frozenset[str] = NOBODY,
        spans: Spans | None = None,
    ) -> None:
        self._lane = lane
        self._spans = spans
        self._mapper = mapper
        self.states: dict[str, bytes | None] = {}  # by key, as of the last settle
        self._post = post
        self._read_states = read_states
        self._fill = fill
        self._stopping = stopping
        self._suppressed = suppressed
        self._people = person_key(lane.shard, lane.integration, "")  # begins the key of every person's state
        self.in_shadow = not mapper.integration.send

    @property
    def revision(self) -> str:
        """The integration's revision, for dead letters."""
        return self._mapper.integration.revision_name

    @property
    def number(self) -> int:
        """The number of the configuration's revision, for the trail; 0: it has none."""
        return self._mapper.integration.revision

    @property
    def size(self) -> int:
        """How many events to try in the next request."""
        return self._fill.events()

    @property
    def entries(self) -> int:
        """How many events to read next."""
        return self._fill.entries()

    def queued(self, entries: Sequence[Entry]) -> list[Waiting]:
        """What was read, as it waits for its turn."""
        self._fill.learn_entries(len(entries), sum([len(raw) for _, raw in entries]))
        return [Waiting(entry_id, raw) for entry_id, raw in entries]

    def decide(self, run: Sequence[Waiting]) -> list[Decision]:
        """The decisions on these events, each made once."""
        now_ms = time.time_ns() // 1_000_000
        quick, suppressed = self._mapper.decide, self._suppressed
        decisions: list[Decision] = []
        for waiting in run:
            decision = waiting.decision
            if decision is None:
                try:
                    decision = quick(read_event(waiting.entry_id, waiting.raw), now_ms, suppressed)
                except Exception:  # noqa: BLE001 - tried again one by one, which says what failed
                    decision = decide(self._mapper, waiting.event, now_ms, suppressed)
                waiting.decision = decision
            decisions.append(decision)
        return decisions

    def decide_each(self, reads: Sequence[Callable[[], Event]]) -> list[Decision]:
        """The decisions on the events that these give."""
        now_ms = time.time_ns() // 1_000_000
        return [decide(self._mapper, read, now_ms, self._suppressed) for read in reads]

    def trusts(self, request: Request) -> bool:
        """Whether an event that is refused is believed to be poison although there is nobody to compare; a few are.

        None is where it is not in Customer.io's way of refusing: a proxy would bury whatever comes.
        """
        if request.answer is None or request.answer.foreign:
            return False
        self._post.unproved += 1
        return self._post.unproved <= UNPROVED

    def keys_of(self, decisions: Sequence[Decision]) -> list[str]:
        """The keys of the states that `compose` needs for these decisions."""
        return [self._people + digest for digest in self._mapper.people_of(decisions)]

    def keyed(self, people: dict[str, bytes]) -> dict[str, bytes]:
        """New states of people, by key."""
        return {self._people + digest: state for digest, state in people.items()}

    def compose(self, decisions: Sequence[Decision]) -> Request:
        """As many of these events as fit into one request.

        An event that the mapping fails at is tried with ever fewer others; alone it becomes its own dead letter. In
        shadow nothing is left to send, and what would have been sent is filtered (`shadow`).
        """
        known = self._known(decisions)
        events = len(decisions)
        while True:
            try:
                composed = self._mapper.compose(decisions[:events], known)
            except (RelayError, MemoryError):
                raise  # not about the event
            except Exception as fault:  # noqa: BLE001 - no fault may stop other events
                if events <= 1:
                    return Request(events, Composed([], [crashed(fault)], {}))
                events //= 2
                continue
            size_bytes = request_size_bytes(composed.operations)
            if composed.operations:
                self._fill.learn(events, size_bytes)
            if events <= 1 or size_bytes <= REQUEST_LIMIT_BYTES:
                return Request(events, shadowed(composed) if self.in_shadow else composed)
            events = max(1, min(self._fill.events(), events * 3 // 4))

    def send(self, request: Request, lease: Lease, *, once: bool = False) -> None:
        """Send a request and keep the answer with it.

        Raises:
            StoppedError: this process is asked to stop; what was sent is not settled.
            LeaseLostError: the lease has ended.
        """

        def before() -> None:
            if self._stopping():
                raise StoppedError
            lease.check()  # last: nothing may come between this check and the request

        request.answer, request.attempts = self._post.send(request_body(request.composed.operations), before, once=once)
        lease.progressed()

    def trace(self, request: Request, run: Sequence[Sent]) -> None:
        """Make a span of a request that was sent for the first of these events, where spans are made."""
        if self._spans is not None:
            entries = [one.entry_id for one in run[: request.events]]
            self._spans.record(self._lane.integration, self._lane.shard, request.attempts, entries)

    def _known(self, decisions: Sequence[Decision]) -> dict[str, bytes | None]:
        """The states of the people of these decisions, by digest; those not at hand are read."""
        digests, at_hand, start = self._mapper.people_of(decisions), self.states, self._people
        missing = [key for digest in digests if (key := start + digest) not in at_hand]
        if missing:
            at_hand.update(zip(missing, self._read_states(missing), strict=True))
        return {digest: at_hand[start + digest] for digest in digests}


def shadowed(composed: Composed) -> Composed:
    """The same run without its operations: what Customer.io would have decided is filtered."""
    outcomes: list[Filtered | Dead | None] = [_SHADOW if outcome is None else outcome for outcome in composed.outcomes]
    return Composed([], outcomes, composed.people)
