"""What needs somebody, read of a real relay."""

import pytest

from tests.support.deadstack import event, opened
from worker.ledger.figures import Ledger


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
