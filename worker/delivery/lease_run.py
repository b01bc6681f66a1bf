"""One lease: read, map, send, settle, until empty."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec

from worker.customerio.sender import Attempt
from worker.customerio.track_api import Answer
from worker.customerio.verdict import Verdict, verdict
from worker.dead.burying import bury
from worker.errors import LeaseLostError, StoppedError
from worker.mapping.batching import Fill, request_body, request_size_bytes
from worker.mapping.identity import Who
from worker.mapping.mapper import Composed, Decision, Mapper, Send
from worker.mapping.operation import REQUEST_LIMIT_BYTES
from worker.mapping.outcome import Dead, Filtered
from worker.purchasely.event import read_event
from worker.store.holds import HoldKind
from worker.store.keys import person_key
from worker.store.lease import Lease
from worker.store.stream import (
    CAUTIOUS_EVENTS,
    LATENCY_BOUNDS_MS,
    Burial,
    Entry,
    Following,
    Lane,
    Phase,
    Settlement,
    Taken,
)

log = logging.getLogger(__name__)

# Deaths of holders that had one event alone in hand before it is buried: while they mapped it, and while they waited
# for Customer.io, where a holder that is killed for another reason most likely is.
_DEATHS_MAPPING = 2
_DEATHS_SENDING = 8
# How often Customer.io, fine in between, fails at the same place before the event is looked for that it cannot bear;
# and before an event is believed to be that one although nobody else's is served right then.
# In between means: another shard's probe has ended the hold, or an operator has.
_REFUSALS = 6
_REFUSALS_ALONE = 12
_WITNESSES = 3

Ended = Literal["empty", "more", "held", "busy", "lost"]


class Shelf(Protocol):
    """What delivery needs of the streams; `worker.store.stream.Streams` says what each does."""

    # ruff: noqa: D102

    def take(self, lane: Lane, token: str, count: int, *, probe: bool = ...) -> Taken | Literal["held", "busy"]: ...
    def caution(self, lane: Lane, token: str, suspect: str, phase: Phase) -> None: ...
    def refused(self, lane: Lane, token: str, end: str) -> int: ...
    def renew(self, lane: Lane, token: str) -> bool: ...
    def states(self, keys: Sequence[str]) -> list[bytes | None]: ...
    def settle(
        self,
        lane: Lane,
        token: str,
        step: int,
        done: Settlement,
        more: int,
        behind: str,
        meanwhile: Callable[[], Sequence[str]] = ...,
    ) -> Following: ...
    def release(
        self, lane: Lane, token: str, cursor: str, *, keep: bool, mark: bool = ...
    ) -> Literal["lost", "more", "empty"]: ...


class Post(Protocol):
    """What delivery needs of the sender."""

    def send(self, body: bytes, before: Callable[[], None], *, once: bool = ...) -> tuple[Answer, list[Attempt]]: ...


class Bounds(msgspec.Struct, frozen=True):
    """How much and how long: events a batch, events a probe, seconds a task, lease and patience in seconds."""

    batch_events: int
    probe_events: int
    budget_s: float
    lease_s: float
    patience_s: float


class _Waiting(msgspec.Struct):
    """An event that was read, not yet settled; decided when its turn comes, since deciding may kill the process."""

    entry_id: str
    raw: bytes
    decision: Decision | None = None


class Delivery:
    """Delivers what waits for one integration on one shard, for as long as one lease and one budget last."""

    def __init__(
        self,
        lane: Lane,
        mapper: Mapper,
        shelf: Shelf,
        post: Post,
        hold: Callable[..., None],
        resume: Callable[[], None],
        bounds: Bounds,
        fill: Fill,
        stopping: Callable[[], bool] = lambda: False,
        full: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._lane = lane
        self._mapper = mapper
        self._shelf = shelf
        self._post = post
        self._hold = hold
        self._resume = resume
        self._bounds = bounds
        self._fill = fill
        self._stopping = stopping
        self._full = full  # whether there are too many dead letters, after so many more
        self._people = person_key(lane.shard, lane.integration, "")  # begins the key of every person's state
        self._queue: list[_Waiting] = []
        self._states: dict[str, bytes | None] = {}  # of people in the queue, by key, as of the last settle
        self._cursor = ""
        self._until: tuple[int, int] = (0, 0)
        self._cautious = 0  # most events of a batch while earlier holders' deaths are unexplained; 0: no caution
        self._settled = 0  # steps of this lease
        self._buried = 0  # events that the last step has buried
        self._answered = False  # Customer.io has judged a request of this run
        self._searching = False  # for an event that makes Customer.io fail
        self._refusals = 0  # failures at this place, as of the begin of the search
        self._suspicious = 0  # events at the head of the queue among which one poisons a request

    def run(self, token: str, *, probe: bool = False) -> Ended:
        """Deliver until nothing waits, the budget is spent, or the destination fails."""
        count = self._bounds.probe_events if probe else self._bounds.batch_events
        since_s = time.monotonic()
        taken = self._shelf.take(self._lane, token, count, probe=probe)
        if not isinstance(taken, Taken):
            return taken
        try:
            with Lease(
                lambda: self._shelf.renew(self._lane, token),
                self._bounds.lease_s,
                self._bounds.patience_s,
                since_s,
            ) as lease:
                return self._serve(token, taken, lease, probe=probe)
        except LeaseLostError:
            log.warning("lease_lost integration=%s shard=%d", self._lane.integration, self._lane.shard)
            return "lost"
        except StoppedError:
            # What is in flight is abandoned unsettled: sent again by the next holder, it has no second effect.
            log.info("batch_abandoned integration=%s shard=%d", self._lane.integration, self._lane.shard)
            return self._shelf.release(self._lane, token, self._cursor, keep=False)

    def _serve(self, token: str, taken: Taken, lease: Lease, *, probe: bool) -> Ended:
        started = time.monotonic()
        self._cursor = taken.cursor
        self._queue_up(taken.entries)
        self._be_cautious(taken, token, lease)
        spent = False  # not before something is done
        while True:
            if not self._queue:
                left = self._shelf.release(self._lane, token, self._cursor, keep=True)
                if left != "more":
                    return left
                # Events came in between: nothing is settled here, only read.
                self._queue_up(self._settle(token, lease, 0, [], {}, self._more()))
                continue
            # a search that was broken off would begin again from its start
            if (spent and not self._suspicious) or self._stopping():
                return self._shelf.release(self._lane, token, self._cursor, keep=False)
            if not self._step(token, lease, probe=probe) or self._is_full():
                self._shelf.release(self._lane, token, self._cursor, keep=False, mark=False)
                return "held"
            if probe and self._answered:
                self._resume()
                probe = False
            spent = time.monotonic() - started > self._bounds.budget_s

    def _is_full(self) -> bool:
        """Hold the integration, rather than drop anything, when there are too many dead letters."""
        buried, self._buried = self._buried, 0
        if not buried or not self._full(buried):
            return False
        self._hold("dead_limit", status=0, message="too many dead letters", probe=False)
        return True

    def _be_cautious(self, taken: Taken, token: str, lease: Lease) -> None:
        """After unexplained deaths: smaller batches, then events alone, then the burial of the one they died with."""
        if not taken.deaths or not self._queue:
            return
        self._until = _order(taken.until)
        self._cautious = CAUTIOUS_EVENTS[min(taken.deaths, len(CAUTIOUS_EVENTS)) - 1]
        log.warning(
            "shard_with_deaths integration=%s shard=%d deaths=%d batch=%d",
            self._lane.integration,
            self._lane.shard,
            taken.deaths,
            self._cautious,
        )
        first = self._queue[0]
        guilty = taken.mapping >= _DEATHS_MAPPING or taken.sending >= _DEATHS_SENDING
        if guilty and taken.suspect == first.entry_id:
            alone = taken.mapping + taken.sending
            message = f"its worker process died {taken.deaths} times, {alone} times with this event alone in hand"
            self._settle(token, lease, 1, [Dead("crashed_worker", "map", message=message)], {}, 0)

    def _suspect(self, token: str, phase: Phase) -> None:
        """Note the event that is tried alone: should this process die of it, the next one knows."""
        if self._cautious == 1:
            self._shelf.caution(self._lane, token, self._queue[0].entry_id, phase)

    def _queue_up(self, entries: Sequence[Entry]) -> None:
        self._queue += [_Waiting(entry_id, raw) for entry_id, raw in entries]

    def _decide(self, events: int) -> list[Decision]:
        """The decisions on the first events of the queue."""
        now_ms = time.time_ns() // 1_000_000
        decide = self._mapper.decide
        decisions: list[Decision] = []
        for waiting in self._queue[:events]:
            decision = waiting.decision
            if decision is None:
                try:
                    decision = decide(read_event(waiting.entry_id, waiting.raw), now_ms)
                except ValueError:
                    decision = Dead("not_json", "read", message="the stored bytes are not a JSON object")
                waiting.decision = decision
            decisions.append(decision)
        return decisions

    def _step(self, token: str, lease: Lease, *, probe: bool) -> bool:
        """Compose, send and settle one request; False when the integration must be held."""
        self._suspect(token, "mapping")
        events, composed = self._compose(self._bounds.probe_events if probe else self._most())
        outcomes: list[Filtered | Dead | None] = composed.outcomes
        attempts: list[Attempt] = []
        if composed.operations:
            before = self._before(token, lease)
            once = probe or (self._searching and events > 1)
            answer, attempts = self._post.send(request_body(composed.operations), before, once=once)
            lease.progressed()
            judged = verdict(answer.status)
            if judged is Verdict.AGAIN and answer.status >= 500:
                if probe and self._serves_others(token, lease):
                    self._resume()
                    probe = False
                if not probe and self._blames(token, lease, events):
                    judged = Verdict.SPLIT
            match judged:
                case Verdict.DONE if name_refused(composed, answer):
                    self._answered = True
                case Verdict.DONE | Verdict.SPLIT if events > 1:
                    self._answered, self._suspicious = True, events
                    return True
                case Verdict.DONE | Verdict.SPLIT:
                    outcomes[0] = Dead("rejected", "send", status=answer.status, message=answer.message)
                case Verdict.AGAIN | Verdict.HOLD:
                    lease.check()  # who was stopped for too long has seen a timeout of its own making
                    self._hold(
                        hold_kind(answer.status),
                        status=answer.status,
                        message=answer.message,
                        probe=probe,
                    )
                    return False
        self._suspicious = max(0, self._suspicious - events) if events > 1 or outcomes[0] is None else 0
        self._searching = self._searching and self._suspicious > 0
        # twice what the next request takes: the one after it is decided on while that one is settled
        more = 0 if len(self._queue) - events >= 2 * self._fill.events() else self._more()
        self._queue_up(self._settle(token, lease, events, outcomes, composed.people, more, composed, attempts))
        return True

    def _blames(self, token: str, lease: Lease, events: int) -> bool:
        """Whether Customer.io, which has said that it failed (5xx), fails at something in this request.

        Not if it fails at everything: again and again at the same place, though others were served in between. An event
        alone is guilty only if another one is served right now. A timeout or a 429 says nothing of events.
        """
        if not self._searching:
            self._refusals = self._shelf.refused(self._lane, token, self._queue[events - 1].entry_id)
            self._searching = self._refusals >= _REFUSALS
        if not self._searching or events > 1:
            return self._searching
        return self._serves_others(token, lease) or self._refusals >= _REFUSALS_ALONE

    def _serves_others(self, token: str, lease: Lease) -> bool:
        """Send events of other people ahead of their turn, the first of each, until one is taken.

        It is ignored when its turn comes. False when none is taken, or nobody else is queued; or after deaths, when no
        event may be decided on before its turn.
        """
        if self._cautious:
            return False
        accused, *others = self._decide(self._fill.events())
        who = accused.who if isinstance(accused, Send) else None
        first: dict[Who, Send] = {}
        for one in others:
            if isinstance(one, Send) and one.who != who:
                first.setdefault(one.who, one)
        for witness in list(first.values())[:_WITNESSES]:
            composed = self._mapper.compose([witness], self._known([witness]))
            if not composed.operations:
                continue
            answer, _ = self._post.send(request_body(composed.operations), self._before(token, lease), once=True)
            lease.progressed()
            if verdict(answer.status) is Verdict.DONE:
                return True
        return False

    def _before(self, token: str, lease: Lease) -> Callable[[], None]:
        def check() -> None:
            if self._stopping():
                raise StoppedError
            self._suspect(token, "sending")
            lease.check()  # last: nothing may come between it and the request

        return check

    def _more(self) -> int:
        """How many events to read next."""
        return self._cautious or self._bounds.batch_events

    def _most(self) -> int:
        """How many events the next request may hold: by size, by caution, by the search for a poisonous one."""
        most = self._fill.events()
        if self._cautious:
            most = min(most, self._cautious)
        if self._suspicious:
            most = min(most, max(1, self._suspicious // 2))
        return most

    def _compose(self, most: int) -> tuple[int, Composed]:
        """As many of the queued events as fit into one request."""
        events = min(most, len(self._queue))
        decisions = self._decide(events)
        known = self._known(decisions)
        while True:
            composed = self._mapper.compose(decisions[:events], known)
            size_bytes = request_size_bytes(composed.operations)
            if composed.operations:
                self._fill.learn(events, size_bytes)
            if events == 1 or size_bytes <= REQUEST_LIMIT_BYTES:
                return events, composed
            events = max(1, min(self._fill.events(), events * 3 // 4))

    def _known(self, decisions: Sequence[Decision]) -> dict[str, bytes | None]:
        """The states of the people of these decisions, by digest; those not at hand are read."""
        digests, at_hand, start = self._mapper.people_of(decisions), self._states, self._people
        missing = [key for digest in digests if (key := start + digest) not in at_hand]
        if missing:
            at_hand.update(zip(missing, self._shelf.states(missing), strict=True))
        return {digest: at_hand[start + digest] for digest in digests}

    def _settle(
        self,
        token: str,
        lease: Lease,
        events: int,
        outcomes: Sequence[Filtered | Dead | None],
        people: dict[str, bytes],
        more: int,
        composed: Composed | None = None,
        attempts: Sequence[Attempt] = (),
    ) -> list[Entry]:
        """Settle the first `events` of the queue and read up to `more` entries behind all that is queued."""
        now_ms = time.time_ns() // 1_000_000
        lane, done = self._lane, self._queue[:events]
        del self._queue[:events]
        counts = latency_counts([w.entry_id for w, o in zip(done, outcomes, strict=True) if o is None], now_ms)
        burials: list[Burial] = []
        for position, (waiting, outcome) in enumerate(zip(done, outcomes, strict=True)):
            if outcome is None:
                continue
            if isinstance(outcome, Filtered):
                field = f"filtered:{outcome.reason}"
                counts[field] = counts.get(field, 0) + 1
            else:
                burials.append(self._bury(waiting, outcome, position, composed, attempts, now_ms))
        if done:
            self._cursor = done[-1].entry_id
        calm = _order(self._cursor) >= self._until
        keyed = {self._people + digest: state for digest, state in people.items()}
        settlement = Settlement(self._cursor, events, counts, keyed, burials, calm)
        behind = self._queue[-1].entry_id if self._queue else self._cursor
        self._settled += 1
        since_s = time.monotonic()
        following = self._shelf.settle(lane, token, self._settled, settlement, more, behind, self._look_ahead)
        lease.progress(since_s)
        self._buried += len(burials)
        self._states = following.states
        if calm:
            self._cautious = 0
        return following.entries

    def _look_ahead(self) -> list[str]:
        """While Redis settles the last request, decide on what is queued for the next; the keys of its people."""
        if self._cautious or self._suspicious:
            return []  # then each is decided by itself, when its turn comes
        return [self._people + digest for digest in self._mapper.people_of(self._decide(self._fill.events()))]

    def _bury(
        self,
        waiting: _Waiting,
        dead: Dead,
        position: int,
        composed: Composed | None,
        attempts: Sequence[Attempt],
        now_ms: int,
    ) -> Burial:
        try:
            event = read_event(waiting.entry_id, waiting.raw)
        except ValueError:
            event = None
        made = [op.body for op in composed.operations if op.cause == position] if composed else []
        log.info(
            "event_buried integration=%s shard=%d entry=%s reason=%s field=%s status=%d",
            self._lane.integration,
            self._lane.shard,
            waiting.entry_id,
            dead.reason,
            dead.field[:60],
            dead.status,
        )
        return bury(
            self._lane,
            waiting.entry_id,
            waiting.raw,
            event,
            dead,
            operations=made,
            attempts=attempts if dead.stage == "send" else (),
            revision=self._mapper.integration.revision,
            died_ms=now_ms,
        )


def name_refused(composed: Composed, answer: Answer) -> bool:
    """Turn the answer's item errors into outcomes of the events that answer for those items.

    False when an error does not say which item it means: then nothing is known of any of them, and sending again in
    parts, with the same ULIDs, finds out.
    """
    if any(not 0 <= error.position < len(composed.operations) for error in answer.errors):
        return False
    for error in answer.errors:
        cause = composed.operations[error.position].cause
        if composed.outcomes[cause] is None:
            composed.outcomes[cause] = Dead("rejected", "send", error.field, answer.status, error.message)
    return True


def hold_kind(status: int) -> HoldKind:
    """What kind of hold an answer asks for."""
    if status in {401, 403}:
        return "unauthorized"
    return "unreachable" if status == 0 or status >= 408 else "misdirected"


def latency_counts(entry_ids: Sequence[str], now_ms: int) -> dict[str, int]:
    """The ledger's counts for events delivered now, given in the stream's order."""
    if not entry_ids:
        return {}
    received_ms = [int(entry_id.partition("-")[0]) for entry_id in (entry_ids[0], entry_ids[-1])]
    counts = {"delivered": len(entry_ids)}
    if (field := latency_field(now_ms - received_ms[0])) == latency_field(now_ms - received_ms[1]):
        return counts | {field: len(entry_ids)}
    for entry_id in entry_ids:
        field = latency_field(now_ms - int(entry_id.partition("-")[0]))
        counts[field] = counts.get(field, 0) + 1
    return counts


def latency_field(took_ms: int) -> str:
    """The ledger's field for an event delivered so many milliseconds after it was received."""
    for bound in LATENCY_BOUNDS_MS:
        if took_ms <= bound:
            return f"late_ms:{bound}"
    return "late_ms:inf"


def _order(entry_id: str) -> tuple[int, int]:
    """An entry id as the stream orders it."""
    ms, _, seq = entry_id.partition("-")
    return int(ms), int(seq or 0)
