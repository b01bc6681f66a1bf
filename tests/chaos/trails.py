"""What the trail says after a run, against what arrived: for a sample event by event, for all of it as sums."""

import random
from collections import Counter
from typing import Any

from worker.app import Relay
from worker.history.room import open_history
from worker.ledger.figures import Ledger
from worker.store.trail import counts, decode_change, decode_run

_SAMPLE = 100


def trail_findings(parts: Relay, names: dict[str, list[str]], event_ids: list[str], seed: int) -> list[str]:
    """Where the trail and the destination differ.

    `names` are those under which each event id arrived, once a delivery; a sample of `event_ids` is traced.
    """
    findings = []
    room = open_history(parts)
    for event_id in random.Random(seed).sample(sorted(event_ids), min(_SAMPLE, len(event_ids))):
        traces = [room.tracer.trace(found) for found in room.finder.event(event_id)]
        if len(traces) != 1:
            findings.append(f"trace of {event_id}: {len(traces)} events")
            continue
        (passed,) = traces[0].integrations
        arrived = names.get(event_id, [])
        if (passed.outcome == "delivered") != (len(arrived) == 1) or (arrived and arrived[0] != passed.name):
            findings.append(f"trace of {event_id}: {passed.outcome} {passed.reason} {passed.name}; arrived: {arrived}")
    return findings + _sums(parts)


def _sums(parts: Relay) -> list[str]:
    """The sum over all trails is the ledger."""
    findings = []
    for account in Ledger(parts).accounts():
        total: Counter[str] = Counter()
        for lane in parts.lanes():
            if lane.integration == account.integration:
                total.update(_lane(parts.redis, lane.key("trail"), lane.key("changes")))
        booked = Counter({"delivered": account.delivered, "dead": account.dead})
        booked.update({f"filtered:{reason}": count for reason, count in account.filtered.items()})
        if +total != +booked:
            findings.append(f"{account.integration}: the trail adds up to {dict(+total)}, the books to {dict(+booked)}")
    return findings


def _lane(client: Any, trail: str, changes: str) -> Counter[str]:
    runs = [run for _, fields in client.xrange(trail) if (run := decode_run(fields[b"b"])) is not None]
    total: Counter[str] = Counter()
    for outcome, count in counts(runs).items():
        kind = outcome.partition(":")[0]
        total[outcome if kind == "filtered" else kind] += count
    for member in client.zrange(changes, 0, -1):
        changed = decode_change(member)
        if changed is not None and changed.outcome.startswith(("delivered", "filtered")):
            total[changed.outcome] += 1
            total["dead"] -= 1  # in these runs only dead letters change, by being replayed
    return total
