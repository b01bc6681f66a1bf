"""Settlement: the counts, latency histogram, dead letters and trail record that a settle writes."""

import time
from collections.abc import Mapping, Sequence

from config.integrations import Identity
from worker.dead.burying import bury
from worker.delivery.judging import Request
from worker.delivery.request import Waiting
from worker.mapping.outcome import Dead, Filtered
from worker.process.eventlog import EventLog
from worker.store.entry_id import order, received_ms
from worker.store.lane import Lane
from worker.store.settling import LATENCY_BOUNDS_MS, Burial
from worker.store.trail import DELIVERED, PROPERTIES_REJECTED, Change, Run, code_of, encode_record

log = EventLog(__name__)


class Settler:
    """Turns the outcomes of one lane's events into what the settle script writes.

    `identity` is the identity chain of its source: dead letters say whose they are.
    """

    def __init__(self, lane: Lane, revision: str, number: int, identity: Identity) -> None:
        self._lane = lane
        self._identity = identity
        self._revision = revision
        self._number = number

    def write(self, done: Sequence[Waiting], request: Request) -> tuple[dict[str, int], list[Burial], bytes]:
        """The ledger's counts, the dead letters and the trail of these events, whose outcomes the request has."""
        now_ms = time.time_ns() // 1_000_000
        outcomes = request.composed.outcomes
        burials: list[Burial] = []
        if _is_plain(request):
            counts = latency_counts([waiting.entry_id for waiting in done], now_ms)
            return counts, burials, trail_run(done, request, self._number)
        counts = latency_counts([w.entry_id for w, o in zip(done, outcomes, strict=True) if o is None], now_ms)
        failed: dict[tuple[str, str, int], list[str]] = {}
        for position, (waiting, outcome) in enumerate(zip(done, outcomes, strict=True)):
            refused = request.composed.refused.get(position)
            dead = outcome if isinstance(outcome, Dead) else refused
            if isinstance(outcome, Filtered):
                field = settled_as(outcome)
                counts[field] = counts.get(field, 0) + 1
            if dead is not None:
                settled = "" if isinstance(outcome, Dead) else settled_as(outcome)
                burials.append(self._bury(waiting, dead, position, request, now_ms, settled))
                failed.setdefault((dead.reason, dead.field[:60], dead.status), []).append(waiting.entry_id)
        self._say_failed(failed)
        return counts, burials, trail_run(done, request, self._number)

    def _say_failed(self, failed: Mapping[tuple[str, str, int], Sequence[str]]) -> None:
        """One line for each cause, not for each event: a bad batch may have hundreds."""
        for (reason, field, status), entries in failed.items():
            log.info(
                "events_buried",
                integration=self._lane.integration,
                shard=self._lane.shard,
                reason=reason,
                field=field,
                status=status,
                events=len(entries),
                entry=entries[0],
            )

    def _bury(
        self, waiting: Waiting, dead: Dead, position: int, request: Request, now_ms: int, settled: str = ""
    ) -> Burial:
        try:
            event = waiting.event()
        except Exception:  # noqa: BLE001 - an unreadable event is buried as it is
            event = None
        return bury(
            self._lane,
            waiting.entry_id,
            waiting.raw,
            event,
            dead,
            identity=self._identity,
            operations=request.made_of(position),
            attempts=request.attempts if dead.stage == "send" else (),
            revision=self._revision,
            failed_ms=now_ms,
            settled=settled,
        )


def settled_as(outcome: Filtered | None) -> str:
    """The ledger's field that counts an event which is not dead.

    >>> settled_as(None), settled_as(Filtered("event_off"))
    ('delivered', 'filtered:event_off')
    """
    return "delivered" if outcome is None else f"filtered:{outcome.reason}"


def trail_run(done: Sequence[Waiting], request: Request, number: int) -> bytes:
    """The trail's record of these events; empty when there are none."""
    if not done:
        return b""
    composed = request.composed
    if _is_plain(request):
        codes = bytearray((DELIVERED,)) * len(composed.outcomes)
    else:
        codes = bytearray(DELIVERED if outcome is None else _code(outcome) for outcome in composed.outcomes)
        for position in composed.refused:
            if codes[position] == DELIVERED:
                codes[position] = PROPERTIES_REJECTED
    first, last = order(done[0].entry_id), order(done[-1].entry_id)
    return encode_record(Run(first, last, number, *_sent(request), bytes(codes)))


def trail_change(request: Request | None, number: int, by: str) -> bytes:
    """What the trail's changes say of each event of a replay's turn."""
    at_ms = time.time_ns() // 1_000_000
    return encode_record(Change(at_ms, number, *(_sent(request) if request else (0, 0, 0)), by))


def _is_plain(request: Request) -> bool:
    """Whether all that was composed is delivered, as nearly always: each event by itself costs half a microsecond."""
    composed = request.composed
    return not composed.refused and composed.outcomes.count(None) == len(composed.outcomes)


def _sent(request: Request) -> tuple[int, int, int]:
    """Status of the answer, attempts, milliseconds of the last one; zeros when nothing was sent."""
    if request.answer is None:
        return 0, 0, 0
    attempts = request.attempts
    return request.answer.status, len(attempts), attempts[-1].took_ms if attempts else 0


def _code(outcome: Filtered | Dead) -> int:
    return code_of("filtered" if isinstance(outcome, Filtered) else "dead", outcome.reason)


def latency_counts(entry_ids: Sequence[str], now_ms: int) -> dict[str, int]:
    """The ledger's counts for events delivered now, given in the stream's order."""
    if not entry_ids:
        return {}
    first_ms, last_ms = received_ms(entry_ids[0]), received_ms(entry_ids[-1])
    # the sum of what lies between the first and the last is taken as if they came evenly
    counts = {"delivered": len(entry_ids), "late_ms_sum": len(entry_ids) * max(0, 2 * now_ms - first_ms - last_ms) // 2}
    if (field := latency_field(now_ms - first_ms)) == latency_field(now_ms - last_ms):
        return counts | {field: len(entry_ids)}
    for entry_id in entry_ids:
        field = latency_field(now_ms - received_ms(entry_id))
        counts[field] = counts.get(field, 0) + 1
    return counts


def latency_field(took_ms: int) -> str:
    """The ledger's field for an event delivered so many milliseconds after it was received."""
    for bound in LATENCY_BOUNDS_MS:
        if took_ms <= bound:
            return f"late_ms:{bound}"
    return "late_ms:inf"
