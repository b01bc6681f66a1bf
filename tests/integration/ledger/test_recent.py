"""The delays of the last minutes, from the trail of real deliveries."""

import time

import pytest

from tests.support.deadstack import event, opened
from worker.ledger.figures import Ledger
from worker.ledger.recent import RECENT_MS, Delays, recent_delays
from worker.store.lane import Lane
from worker.store.trail import DELIVERED, Run, encode_record, trail_key

LANES = [Lane("app", "production", shard) for shard in range(4)]
MINUTE_MS = 60_000


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay by hand."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def test_a_hold_of_the_past_is_not_shown_for_ever(stack):
    """What was delivered ten minutes late, twenty minutes ago, counts no more; what is delivered now does."""
    now_ms = time.time_ns() // 1_000_000
    assert Ledger(stack.parts).delays() == {"production": Delays()}
    settled_ms = now_ms - 20 * MINUTE_MS
    late = Run((settled_ms - 10 * MINUTE_MS, 0), (settled_ms, 0), 0, 200, 1, 5, bytes([DELIVERED] * 100))
    for shard in range(4):
        stack.parts.redis.xadd(trail_key(shard, "production"), {"r": encode_record(late)}, id=f"{settled_ms}-0")
    stack.deliver(*[event(n) for n in range(20)])
    found = Ledger(stack.parts).delays()["production"]
    assert found.p50_ms is not None
    assert found.p50_ms <= found.p99_ms < 10 * MINUTE_MS
    assert recent_delays(stack.parts.redis, LANES, now_ms + RECENT_MS + MINUTE_MS) == {"production": Delays()}


def test_what_is_not_delivered_has_no_delay(stack):
    """Dead and filtered events do not count."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(event(1, "BAD"), event(2, user_id=None))
    assert Ledger(stack.parts).delays() == {"production": Delays()}
