"""Scans of retained traffic: what is read, and what Redis is asked for."""

import pytest

from worker.history.scan import Scan, Span

KEYS = ("a", "b", "none")


@pytest.fixture
def client(redis_client):
    """Two streams with entries of 1,000 to 1,009 and 2,000 to 2,009 ms."""
    for key, begins in (("a", 1000), ("b", 2000)):
        for n in range(10):
            redis_client.xadd(key, {"b": f"{key}{n}"}, id=f"{begins + n}-1")
    return redis_client


def read(client, span):
    """The places that a scan of the newest first finds."""
    return [row[0].decode() for _, rows in Scan(client).pages(KEYS, span, newest_first=True) for row in rows]


@pytest.mark.parametrize(
    ("span", "found"),
    [
        (Span(1003, 1004), ["1004-1", "1003-1"]),
        (Span(None, 1000), ["1000-1"]),
        (Span(1009, 2000), ["1009-1", "2000-1"]),
        (Span(2009, None), ["2009-1"]),
        (Span(1, 999), []),
        (Span(1500, 1600), []),
        (Span(3000, 4000), []),
    ],
)
def test_the_newest_of_a_span(client, span, found):
    """From its end on, of every stream."""
    assert read(client, span) == found


def test_what_is_older_than_all_is_not_looked_for_from_the_newest_on(client):
    """XREVRANGE would step over every entry, and Redis serves nobody else meanwhile: 0.65 s beside a million."""
    client.config_resetstat()
    assert read(client, Span(1, 999)) == []
    assert "cmdstat_xrevrange" not in client.info("commandstats")
