"""The demo's events."""

from collections import Counter, defaultdict

import orjson

from config.catalogue import catalogue
from worker.cli.demo.events import OVERSIZE_BYTES, REFUSED_EVENT, deliveries
from worker.mapping.operation import ITEM_LIMIT_BYTES
from worker.purchasely.event import read_event

NOW_MS = 1_790_000_000_000


def payloads(people=60, seed=7):
    return [orjson.loads(delivery.body) for delivery in deliveries(people, seed, NOW_MS)]


def test_the_same_seed_tells_the_same_stories():
    """A demo can be repeated, and another seed is another app."""
    assert deliveries(20, 3, NOW_MS) == deliveries(20, 3, NOW_MS)
    assert deliveries(20, 3, NOW_MS) != deliveries(20, 4, NOW_MS)


def test_all_codes_are_purchaselys():
    """Every code is in the catalogue, but the one that Customer.io refuses in the demo."""
    codes = {payload["event_name"] for payload in payloads()}
    assert codes - set(catalogue().events) == {REFUSED_EVENT}
    assert len(codes) > 12


def test_every_way_of_ending_is_there():
    """Sandbox and anonymous people, a redelivery, one too large, one refused: no column of the demo stays empty."""
    found = payloads(12)
    ids = Counter(payload["event_id"] for payload in found)
    assert {payload["environment"] for payload in found} == {"PRODUCTION", "SANDBOX"}
    assert any("user_id" not in payload for payload in found)
    assert max(ids.values()) == 2
    assert [len(orjson.dumps(p)) > ITEM_LIMIT_BYTES for p in found].count(True) == 1
    assert OVERSIZE_BYTES > ITEM_LIMIT_BYTES
    assert REFUSED_EVENT in {payload["event_name"] for payload in found}


def test_a_persons_events_come_in_order():
    """As Purchasely sends them: oldest first; only a redelivery may look back."""
    newest = defaultdict(int)
    seen = set()
    for delivery in deliveries(60, 7, NOW_MS):
        event = read_event("0-0", delivery.body)
        if event.key in seen:
            continue
        seen.add(event.key)
        assert event.time_ms >= newest[delivery.holder]
        assert event.time_ms <= NOW_MS + 3_600_000
        newest[delivery.holder] = event.time_ms


def test_one_person_is_enough():
    """The smallest demo still has something to send."""
    assert len(deliveries(1, 1, NOW_MS)) >= 3
