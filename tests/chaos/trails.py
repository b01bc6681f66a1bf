"""What the trail says after a run, against what arrived: for a sample event by event, for all of it as sums.

Where Redis was out of memory the relay shortened the past (`trimmed_early`). What is gone is counted by Redis itself
(entries ever added to a stream, less those in it): so many accepted events may be without a trace, and no more.
"""

import random
from bisect import bisect_left, bisect_right
from collections import Counter
from typing import Any

import msgspec
import orjson

from worker.app import Relay
from worker.history.room import open_history
from worker.ledger.figures import Ledger
from worker.store.entries import read_range
from worker.store.entry_id import order
from worker.store.lane import Lane
from worker.store.trail import Place, Run, counts, decode_change, decode_run

_SAMPLE = 100


def trail_findings(parts: Relay, names: dict[str, list[str]], event_ids: list[str], seed: int) -> list[str]:
    """Where the trail and the destination differ.

    `names` are those under which each event id arrived, once a delivery; a sample of `event_ids` is traced.
    """
    findings = []
    room = open_history(parts)
    kept, gone = _kept(parts)
    if len(event_ids) - len(kept) != gone:
        findings.append(f"{len(event_ids)} accepted, {len(kept)} kept, {gone} trimmed")
    for event_id in random.Random(seed).sample(sorted(event_ids), min(_SAMPLE, len(event_ids))):
        traces = [room.tracer.trace(found) for found in room.finder.event(event_id)]
        if len(traces) != (event_id in kept):
            findings.append(f"trace of {event_id}: {len(traces)} events")
        for trace in traces:
            (passed,) = trace.integrations
            arrived = names.get(event_id, [])
            if (passed.outcome == "delivered") != (len(arrived) == 1) or (arrived and arrived[0] != passed.name):
                findings.append(
                    f"trace of {event_id}: {passed.outcome} {passed.reason} {passed.name}; arrived: {arrived}"
                )
    return findings + _sums(parts)


def _kept(parts: Relay) -> tuple[set[str], int]:
    """The ids of the events in the streams, and how many events were there once."""
    ids, gone = set(), 0
    for key in {lane.key("events") for lane in parts.lanes()}:
        rows = read_range(parts.redis, key)
        ids |= {orjson.loads(raw)["event_id"] for _, raw in rows}
        gone += _added(parts.redis, key) - len(rows)
    return ids, gone


def _added(client: Any, key: str) -> int:
    return int(client.xinfo_stream(key)["entries-added"]) if client.exists(key) else 0


def _sums(parts: Relay) -> list[str]:
    """The sum over all trails, and what was trimmed, is the ledger."""
    findings = []
    for account in Ledger(parts).accounts():
        total: Counter[str] = Counter()
        gone = 0
        for lane in parts.lanes():
            if lane.integration == account.integration:
                here, trimmed = _lane(parts.redis, lane)
                total.update(here)
                gone += trimmed
        booked = Counter({"delivered": account.delivered, "dead": account.dead})
        booked.update({f"filtered:{reason}": count for reason, count in account.filtered.items()})
        if total - booked or (booked - total).total() != gone:
            sums = f"the trail adds up to {dict(+total)}, the books to {dict(+booked)}"
            findings.append(f"{account.integration}: {sums}, {gone} trimmed")
    return findings


def _lane(client: Any, lane: Lane) -> tuple[Counter[str], int]:
    """How many events in a lane's stream had each outcome, and how many left the stream."""
    places = [order(entry_id) for entry_id, _ in read_range(client, lane.key("events"))]
    runs = [run for _, fields in client.xrange(lane.key("trail")) if (run := decode_run(fields[b"b"])) is not None]
    total: Counter[str] = Counter()
    for outcome, count in counts(_cut(run, places) for run in runs).items():
        kind = outcome.partition(":")[0]
        total[outcome if kind == "filtered" else kind] += count
    for member in client.zrange(lane.key("changes"), 0, -1):
        changed = decode_change(member)
        if changed is not None and changed.outcome.startswith(("delivered", "filtered")):
            total[changed.outcome] += 1
            total["dead"] -= 1  # in these runs only dead letters change, by being replayed
    return total, _added(client, lane.key("events")) - len(places)


def _cut(run: Run, places: list[Place]) -> Run:
    """The run with the outcomes of the events that are in the stream: a trim takes the first ones."""
    here = bisect_right(places, run.last) - bisect_left(places, run.first)
    return msgspec.structs.replace(run, outcomes=run.outcomes[len(run.outcomes) - here :])
