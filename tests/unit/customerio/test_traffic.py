"""Requests are counted by answer and duration, and each count is handed on once."""

from worker.customerio.traffic import Traffic


def test_requests_by_status_and_duration():
    """A bound counts what took as long as it, or less; what took longer than all is beyond."""
    traffic = Traffic()
    for status, took_ms in [(200, 50), (200, 51), (0, 10_001)]:
        traffic.add("production", status, took_ms)
    assert traffic.take() == {
        "request:production:200": 2,
        "request:production:0": 1,
        "request_ms:production:50": 1,
        "request_ms:production:100": 1,
        "request_ms:production:inf": 1,
        "request_sum_ms:production": 10_102,
    }
    assert traffic.take() == {}


def test_counts_that_could_not_be_handed_on_are_kept():
    """Redis may be away for a while."""
    traffic = Traffic()
    traffic.add("production", 200, 1)
    taken = traffic.take()
    traffic.add("production", 200, 1)
    traffic.give(taken)
    assert traffic.take()["request:production:200"] == 2
