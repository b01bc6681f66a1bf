"""What the simulator notes though Customer.io accepts it."""

from typing import Any

import pytest

from worker.simulator.defects import DEFECTS, Overlaps, find_defects

ULID = "01BX5ZZKBKACTAV9WEVGEMMVRY"
IDENTIFY = {"type": "person", "action": "identify", "identifiers": {"id": "1"}, "timestamp": 1772000000}
EVENT = {**IDENTIFY, "action": "event", "name": "x", "id": ULID, "attributes": {}}
MERGE = {"type": "person", "action": "merge", "primary": {"id": "1"}, "secondary": {"cio_id": "cio_a3"}}

CASES: list[tuple[Any, list[str]]] = [
    (IDENTIFY, []),
    (EVENT, []),
    ({**EVENT, "timestamp": 1_772_000_000_000}, ["timestamp_in_ms"]),
    ({**EVENT, "timestamp": 1_772_000}, ["timestamp_too_small"]),
    ({**EVENT, "timestamp": "1772000000"}, ["timestamp_not_integer"]),
    ({**EVENT, "timestamp": 1772000000.0}, ["timestamp_not_integer"]),
    ({**EVENT, "timestamp": None}, ["timestamp_not_integer"]),
    ({**EVENT, "id": None}, ["event_without_id"]),
    ({**EVENT, "id": "evt_1"}, ["event_id_not_ulid"]),
    ({**EVENT, "id": 7, "name": "x "}, ["event_id_not_ulid", "name_with_spaces"]),
    ({**IDENTIFY, "identifiers": {"cio_id": "cio_a3"}}, ["cio_prefix"]),
    (MERGE, ["cio_prefix"]),
    ({**IDENTIFY, "attributes": {"_timestamp": 1772000000}}, ["timestamp_attribute"]),
    (
        {"type": "person", "action": "page", "identifiers": {"id": 1}, "name": "x", "id": ULID, "data": {}},
        ["data_instead_of_attributes"],
    ),
]


@pytest.mark.parametrize(("entity", "kinds"), CASES)
def test_defects(entity, kinds):
    """Each careless habit is named; a careful entity has none."""
    assert [kind for kind, _ in find_defects(entity)] == kinds
    assert set(kinds) <= set(DEFECTS)


def test_requests_under_way_together():
    """Two open requests about one person overlap, seen by the one that says so last."""
    overlaps = Overlaps()
    first, second = overlaps.open(), overlaps.open()
    assert overlaps.touch(first, {"a", "b"}) == set()
    assert overlaps.touch(second, {"b", "c"}) == {"b"}


def test_a_request_that_began_before_the_other_was_answered():
    """A request overlaps one that was answered while it was still being sent."""
    overlaps = Overlaps()
    first, second = overlaps.open(), overlaps.open()
    overlaps.touch(first, {"a"})
    overlaps.close(first)
    assert overlaps.touch(second, {"a"}) == {"a"}


def test_one_after_the_other():
    """A request that begins after the answer to another does not overlap it, whoever else is there."""
    overlaps = Overlaps()
    overlaps.open()
    first = overlaps.open()
    overlaps.touch(first, {"a"})
    overlaps.close(first)
    second = overlaps.open()
    assert overlaps.touch(second, {"a"}) == set()
