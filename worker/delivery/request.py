"""Requests to Customer.io, for deliveries and replays alike: decide, compose, send, judge the answer."""

import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Literal, Protocol, assert_never

import msgspec

from worker.customerio.answer import MESSAGE_LIMIT, Answer
from worker.customerio.sender import Attempt
from worker.customerio.spans import Spans
from worker.customerio.verdict import Verdict, is_failure, verdict
from worker.errors import RelayError, StoppedError
from worker.mapping.batching import Fill, request_body, request_size_bytes
from worker.mapping.decision import Composed, Decision
from worker.mapping.mapper import Mapper
from worker.mapping.operation import REQUEST_LIMIT_BYTES
from worker.mapping.outcome import Dead, DeadReason, Filtered
from worker.purchasely.event import Event, read_event
from worker.store.holds import HoldKind
from worker.store.keys import person_key
from worker.store.lease import Lease
from worker.store.stream import Entry, Lane

# Events in a row that are buried for a refusal although nobody else was served since: a destination may refuse all.
UNPROVED = 2

_NOBODY: frozenset[str] = frozenset()
_SHADOW = Filtered("shadow")

Judgement = Literal["settle", "split", "hold"]
"""What to do after a request: settle its events, send fewer of them, or hold the integration."""


class Post(Protocol):
    """What a request needs of the sender."""

    unproved: int
    """Events refused in a row with nobody to compare; the sender resets it when anybody is served."""

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = ...) -> tuple[Answer, list[Attempt]]:
        """The last answer and all attempts."""
        ...


class Gate(Protocol):
    """The hold of one integration."""

    def hold(self, kind: HoldKind, *, status: int, message: str, probe: bool) -> None:
        """Hold the integration."""
        ...

    def resume(self) -> None:
        """End the hold."""
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


class Request(msgspec.Struct):
    """The first `events` of a run, composed; then the answer (None: there was nothing to send) and its attempts."""

    events: int
    composed: Composed
    answer: Answer | None = None
    attempts: list[Attempt] = []

    @property
    def failed(self) -> bool:
        """Whether Customer.io failed at it (5xx, a 4xx nobody knows, errors of items that were not sent)."""
        return self.answer is not None and (is_failure(self.answer.status) or self._is_stray)

    @property
    def refused_alone(self) -> bool:
        """Whether a single event was refused without its item being named: any event might be refused so."""
        if self.answer is None or self.events != 1 or self._is_stray:
            return False
        judged = verdict(self.answer.status)
        return judged is Verdict.SPLIT or (judged is Verdict.DONE and any(e.position < 0 for e in self.answer.errors))

    @property
    def _is_stray(self) -> bool:
        """Whether the answer names items that were not sent: it belongs to another request, or is invalid."""
        return self.answer is not None and any(
            error.position >= len(self.composed.operations) for error in self.answer.errors
        )

    def judge(self, *, poison: bool = False) -> Judgement:
        """What to do now; what Customer.io refused becomes an outcome. `poison`: it fails at an event."""
        if self.answer is None:
            return "settle"
        judged = verdict(self.answer.status)
        if self.failed:
            judged = Verdict.SPLIT if poison else Verdict.AGAIN
        match judged:
            case Verdict.DONE if name_refused(self.composed, self.answer):
                return "settle"
            case Verdict.DONE | Verdict.SPLIT if self.events > 1:
                return "split"
            case Verdict.DONE | Verdict.SPLIT:
                self._refuse_alone(self.answer)
                return "settle"
            case Verdict.AGAIN | Verdict.HOLD:
                return "hold"
            case _:
                assert_never(judged)

    def _refuse_alone(self, answer: Answer) -> None:
        """The end of a single event that was refused as a whole; of one that is not sent, only properties can be."""
        if any(operation.kind == "event" for operation in self.composed.operations):
            self.composed.outcomes[0] = Dead("rejected", "send", status=answer.status, message=answer.message)
        else:
            dead = Dead("properties_rejected", "send", status=answer.status, message=answer.message)
            self.composed.refused[0] = dead

    def made_of(self, position: int) -> list[bytes]:
        """The operations that one event answers for."""
        return [operation.body for operation in self.composed.operations if operation.cause == position]


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
        suppressed: frozenset[str] = _NOBODY,
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
                    return Request(events, Composed([], [_crashed(fault)], {}))
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


def decide(mapper: Mapper, read: Callable[[], Event], now_ms: int, suppressed: frozenset[str] = _NOBODY) -> Decision:
    """The decision on the event that `read` gives; whatever fails on the way is that event's dead letter."""
    try:
        try:
            event = read()
        except ValueError:
            return Dead("not_json", "read", message="the stored bytes are not a JSON object")
        except RecursionError:
            return Dead("not_json", "read", message="the stored JSON is nested too deep")
        return mapper.decide(event, now_ms, suppressed)
    except (RelayError, MemoryError):
        raise  # not about the event
    except Exception as fault:  # noqa: BLE001 - no fault may stop other events
        return _crashed(fault)


def shadowed(composed: Composed) -> Composed:
    """The same run without its operations: what Customer.io would have decided is filtered."""
    outcomes: list[Filtered | Dead | None] = [_SHADOW if outcome is None else outcome for outcome in composed.outcomes]
    return Composed([], outcomes, composed.people)


def hold(gate: Gate, request: Request, lease: Lease, *, probe: bool) -> None:
    """Hold the integration for what a request was answered.

    Raises:
        LeaseLostError: this process was stopped for too long, so the timeout is its own; nothing is held.
    """
    lease.check()
    answer = request.answer or Answer(0)
    gate.hold(hold_kind(answer.status), status=answer.status, message=answer.message, probe=probe)


def hold_kind(status: int) -> HoldKind:
    """What kind of hold an answer asks for."""
    if status in {401, 402, 403, 451}:
        return "unauthorized"
    return "misdirected" if verdict(status) is Verdict.HOLD else "unreachable"


def name_refused(composed: Composed, answer: Answer) -> bool:
    """Turn the answer's item errors into outcomes of the events that answer for those items.

    An event whose own item was refused is dead. Where only what it says of its person was refused (identify, merge),
    the event was taken: its outcome stays, and the composed `refused` says what became of the rest.

    False when an error does not say which item it means: then nothing is known of any of them, and sending again in
    parts, with the same ULIDs, finds out.
    """
    if any(not 0 <= error.position < len(composed.operations) for error in answer.errors):
        return False
    events: dict[int, Dead] = {}
    people: dict[int, Dead] = {}
    for error in answer.errors:
        operation = composed.operations[error.position]
        reason: DeadReason = "rejected" if operation.kind == "event" else "properties_rejected"
        refused = Dead(reason, "send", error.field, answer.status, error.message)
        found = events if operation.kind == "event" else people
        known = found.get(operation.cause)
        found[operation.cause] = refused if known is None else _joined(known, refused)
    for position, dead in events.items():  # one letter an event: the refused event says both
        composed.outcomes[position] = _joined(dead, people.pop(position, None))
    composed.refused.update(people)
    return True


def _joined(first: Dead, other: Dead | None) -> Dead:
    """A refusal with the message of another one: several errors may share an item, or an event."""
    if other is None:
        return first
    also = ": ".join(text for text in (other.field, other.message) if text)
    said = "; ".join(text for text in (first.message, also) if text)[:MESSAGE_LIMIT]
    return msgspec.structs.replace(first, message=said)


def _crashed(fault: Exception) -> Dead:
    """The outcome of an event that the mapping fails at; without the exception's text, which may quote the event."""
    frame = traceback.extract_tb(fault.__traceback__)[-1]
    where = f"{PurePath(frame.filename).name}:{frame.lineno}"
    return Dead("crashed_mapping", "map", message=f"the relay failed at it: {type(fault).__name__} in {where}")
