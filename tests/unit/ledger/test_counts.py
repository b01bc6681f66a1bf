"""The ledger's hash as counts, and the one sum of the books."""

from worker.ledger.counts import Counts, read_counts, unaccounted


def test_a_ledger_is_read_with_what_its_stream_took():
    """Accepted and waiting follow from where the books begin and how far the cursor is."""
    ledger = {"base": "2", "position": "9", "delivered": "4", "filtered:late": "2", "dead": "1"}
    found = read_counts(ledger | {"late_ms:5": "3", "late_ms:inf": "1"}, 12)
    assert found == Counts(10, 4, {"late": 2}, 1, 3, 9, {"5": 3, "inf": 1})
    assert unaccounted(found.accepted, found.delivered, sum(found.filtered.values()), found.dead, found.waiting) == 0


def test_an_empty_ledger_has_everything_waiting():
    """Nobody was there yet."""
    assert read_counts({}, 3) == Counts(3, 0, {}, 0, 3, 0, {})
