"""The bound on dead letters: said when it is near, a hold when it is reached, never a loss."""

import logging

import pytest

from tests.support.deadstack import event, opened
from worker.ledger import headroom
from worker.ledger.figures import Ledger
from worker.ledger.metrics import render


@pytest.fixture
def dead(tmp_path, redis_url, customerio):
    """A relay that may have ten dead letters, and whose Customer.io refuses events named BAD."""
    with opened(tmp_path, redis_url, customerio, dead_limit=10, batch_events=5) as stack:
        stack.faults(reject_event_names=frozenset({"BAD"}))
        yield stack


def hold(dead):
    """The hold, if any."""
    return dead.parts.holds.get(["production"]).get("production")


def bad(number):
    """Events of one lane that will be refused."""
    return [event(1, "BAD", event_id=str(n)) for n in range(number)]


def test_the_bound_holds_the_integration_and_drops_nothing(dead):
    """Deaths beyond it wait in the stream, live events too; the overshoot is less than one batch."""
    assert "held" in dead.deliver(*bad(30), event(1))
    account = dead.account()
    assert 10 <= account.dead < 15
    assert account.dead + account.waiting == 31
    assert (hold(dead).kind, hold(dead).next_probe_ms) == ("dead_limit", 0)
    assert dead.deliver() == ["held"] * 4


def test_the_hold_ends_when_there_is_room(dead):
    """Replaying goes on under it, before live events, and the next sweep resumes the integration."""
    dead.deliver(*bad(12), event(1))
    headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
    assert hold(dead) is not None
    dead.faults()
    assert dead.replay().counts["delivered"] == 10
    headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
    assert hold(dead) is None
    assert dead.deliver() == ["empty"] * 4
    assert (dead.account().delivered, len(dead.arrived())) == (13, 13)


def test_discarding_makes_room_too(dead):
    """Any way of working them off ends the hold."""
    dead.deliver(*bad(12))
    list(dead.parts.dead_changes.discard(dead.letters()[:3], "no use", "me"))
    headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
    assert hold(dead) is None


def test_a_hold_of_another_kind_is_left_alone(dead):
    """Room for dead letters says nothing of a wrong key."""
    dead.parts.holds.hold("production", "unauthorized", 1)
    headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
    assert hold(dead).kind == "unauthorized"


def test_a_wrong_key_found_under_the_bound_is_probed(dead):
    """A replay meets a 401 while too many dead letters hold the integration: probes begin, as always."""
    dead.deliver(*bad(12))
    dead.faults("unauthorized")
    dead.start(dead.letters())
    dead.work(within_s=0.05)
    assert hold(dead).kind == "unauthorized"
    assert hold(dead).next_probe_ms > 0


def test_a_bound_that_is_near_is_said_once_in_a_while(dead, caplog):
    """In the log, with figures and without words of any event; in the metrics always."""
    with caplog.at_level(logging.WARNING, logger="worker.ledger.headroom"):
        dead.deliver(*bad(7))
        headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
        assert not caplog.records
        dead.deliver(event(1, "BAD"))
        headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
        headroom.watch(dead.parts.redis, dead.parts.holds, Ledger(dead.parts).bounds())
    assert [record.getMessage() for record in caplog.records] == [
        "bound_near what=dead_letters integration=production now=8 limit=10"
    ]
    bound = headroom.near(Ledger(dead.parts).bounds())[0]
    assert bound.message.startswith(
        "production has 8 of 10 (80 %) dead letters; at the bound (RELAY_DEAD_LIMIT) it is held"
    )
    text = render(Ledger(dead.parts).figures()).decode()
    assert 'relay_dead_events{integration="production"} 8.0' in text
    assert 'relay_dead_limit_events{integration="production"} 10.0' in text


def test_memory_is_a_bound_where_the_server_has_one(dead):
    """Redis's maxmemory, less what ingest leaves free, is watched like the count of letters."""
    assert [bound.what for bound in Ledger(dead.parts).bounds()] == ["dead letters"]
    before = dead.parts.redis.config_get("maxmemory")["maxmemory"]
    dead.parts.redis.config_set("maxmemory", "10gb")
    try:
        bound = Ledger(dead.parts).bounds()[-1]
        text = render(Ledger(dead.parts).figures()).decode()
    finally:
        dead.parts.redis.config_set("maxmemory", before)
    assert (bound.what, bound.limit, bound.near) == ("memory", 10 * 2**30 * 90 // 100, False)
    assert "relay_redis_memory_limit_bytes 9.66" in text, text[-900:]
