"""What only the metrics ask for, read of a real relay."""

import pytest

from tests.support.deadstack import event, opened
from worker.customerio.traffic import TRAFFIC
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render
from worker.ledger.operation import read_leases
from worker.revisions.live import EMPTY
from worker.store.lane import Lane


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay by hand."""
    TRAFFIC.take()
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack
    TRAFFIC.take()


def test_requests_are_added_up_in_redis(stack):
    """By each process's pulse; what was counted while Redis was away comes later."""
    stack.faults(reject_event_names=frozenset({"BAD"}))
    stack.deliver(*[event(n) for n in range(5)], event(9, "BAD"))
    stack.parts.end()
    stack.parts.counters.add({"trimmed": 7})
    lines = render(Ledger(stack.parts).exported()).decode().splitlines()
    found = {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}
    requests = found['relay_customerio_requests_total{integration="production",status="200"}'] + found.get(
        'relay_customerio_requests_total{integration="production",status="207"}', 0
    )
    assert requests >= 2
    assert found['relay_customerio_request_duration_seconds_count{integration="production"}'] == requests
    assert found['relay_dead_letters{integration="production",reason="rejected"}'] == 1
    assert found['relay_delivery_seconds_count{integration="production"}'] == 5
    assert found["relay_trimmed_events_total"] == 7
    assert found["relay_broker_queue_messages"] >= 0
    assert found['relay_needs{kind="absent"}'] == 3


def test_leases_are_counted(stack):
    """Lanes in hand just now."""
    lane = Lane("app", "production", 2)
    stack.parts.redis.set(lane.key("lease"), "token")
    assert read_leases(stack.parts.redis, stack.parts.lanes()) == {"production": 1}


def test_a_relay_without_a_configuration_says_so_in_its_metrics(stack, monkeypatch):
    """As `relay alerts` does: senders are refused meanwhile."""
    stack.parts.role = "web"
    monkeypatch.setattr(stack.parts.live, "_loaded", EMPTY)
    lines = render(Ledger(stack.parts).exported()).decode().splitlines()
    assert [line for line in lines if line.startswith("relay_needs{")] == ['relay_needs{kind="config"} 1.0']
