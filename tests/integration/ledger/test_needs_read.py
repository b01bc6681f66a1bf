"""What needs somebody, read of a real relay."""

import time

import orjson
import pytest

from tests.support.deadstack import event, opened
from tests.support.servers import free_port
from worker.cli.status import read
from worker.ledger.figures import Ledger
from worker.ledger.operation import WAITS_MS
from worker.store.keys import shard_key


@pytest.fixture
def stack(tmp_path, redis_url, customerio):
    """A relay by hand: none of its processes runs."""
    with opened(tmp_path, redis_url, customerio) as stack:
        yield stack


def test_the_needs_of_a_relay_without_processes(stack):
    """Each missing process, and a hold by hand; no more, since the books balance."""
    stack.deliver(event(1), event(2))
    stack.parts.holds.hold("production", "operator", 1_000)
    needs = Ledger(stack.parts).needs()
    assert [need.key for need in needs] == ["absent:web", "absent:worker", "held:production", "absent:beat"]


def test_books_that_were_tampered_with_are_a_need(stack):
    """As `relay audit` finds it."""
    stack.deliver(event(1))
    for shard in range(4):
        stack.parts.redis.hincrby(f"relay:{{{shard}}}:ledger:production", "delivered", 1)
    books = next(need for need in Ledger(stack.parts).needs() if need.kind == "books")
    assert "counted twice" in books.message


def test_a_broker_that_is_away_while_events_wait_is_a_need(tmp_path, redis_url, customerio):
    """All was live and nothing needed anybody, for as long as a destination would not have answered."""
    nobody = f"amqp://guest:secret@127.0.0.1:{free_port()}//"
    with opened(tmp_path, redis_url, customerio, broker_url=nobody) as stack:
        assert [need for need in Ledger(stack.parts).needs() if "broker" in need.key] == []
        for age_ms, told in ((0, False), (WAITS_MS + 1000, True)):
            stack.parts.redis.flushdb()
            stack.parts.begin()
            entry = f"{time.time_ns() // 1_000_000 - age_ms}-0"
            stack.parts.redis.xadd(shard_key(0, "events", "app"), {"b": orjson.dumps(event(1))}, id=entry)
            keys = [need.key for need in Ledger(stack.parts).needs()]
            assert ("absent:broker" in keys) == told, age_ms
        (said,) = [line for line in read(stack.parts)["wrong"] if "the broker does not answer" in line]
        assert "ConnectionRefusedError" in said
        assert "secret" not in said
