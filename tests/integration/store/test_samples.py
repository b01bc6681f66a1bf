"""Samples of the books: one a minute, whoever takes it, and the series they make."""

import time

import pytest

from worker.store.keys import SAMPLES
from worker.store.samples import MINUTE_MS, STEPS, Sample, Samples

HOUR_MS = 60 * MINUTE_MS
NOW_MS = 1_764_115_200_000 + 5 * MINUTE_MS


@pytest.fixture
def samples(redis_client):
    return Samples(redis_client)


def put(client, at_ms, **counts):
    """A sample of one integration, as if taken then."""
    import msgspec

    client.xadd(SAMPLES, {"b": msgspec.json.encode({"crm": Sample(**counts)})}, id=f"{at_ms}-1")


def test_two_beats_keep_one_sample_a_minute(samples, redis_client):
    """The second one of a minute is not kept, and is known not to be due."""
    assert samples.is_due()
    kept = [samples.add({"crm": Sample(received=n)}) for n in range(3)]
    # a minute may end between two of them
    assert kept[0] is True
    assert redis_client.xlen(SAMPLES) == sum(kept) < 3
    assert not samples.is_due() or int(time.time()) % 60 == 0


def test_a_series_is_what_came_in_each_step(samples, redis_client):
    """The counts only grow: a step is the difference between the samples at its bounds."""
    for minute in range(15):
        put(redis_client, NOW_MS - (14 - minute) * MINUTE_MS, received=10 * minute, sent=8 * minute, waiting=minute)
    series = samples.series(["crm", "other"], "15m", NOW_MS)["crm"]
    assert len(series.points) == 15
    assert [point.received for point in series.points] == [0] + [10] * 14
    assert (series.total("received"), series.total("sent"), series.points[-1].waiting) == (140, 112, 14)
    assert series.since_ms == series.points[0].at_ms
    assert samples.series(["other"], "15m", NOW_MS)["other"].total("sent") == 0


@pytest.mark.parametrize("span", ["15m", "24h", "7d"])
def test_nothing_is_lost_where_no_sample_was_taken(samples, redis_client, span):
    """While beat was away a step is unknown; what came then is in the next one, so the sum is right."""
    step_ms, steps = STEPS[span]
    for n in (0, 1, 2, steps - 3, steps - 1):
        put(redis_client, (NOW_MS // step_ms + 1) * step_ms - (steps - n) * step_ms, received=100 * n)
    series = samples.series(["crm"], span, NOW_MS)["crm"]
    assert series.total("received") == 100 * (steps - 1)
    assert [n for n, point in enumerate(series.points) if point.known] == [0, 1, 2, steps - 3, steps - 1]


def test_before_the_first_sample_nothing_is_known(samples, redis_client):
    """A relay that began an hour ago says so, and does not show what it had before as one high bar."""
    assert samples.series(["crm"], "24h", NOW_MS)["crm"].since_ms is None
    put(redis_client, NOW_MS - HOUR_MS, received=5000)
    put(redis_client, NOW_MS, received=5020)
    series = samples.series(["crm"], "24h", NOW_MS)["crm"]
    assert series.total("received") == 20
    assert [point.known for point in series.points].count(True) == 2


def test_a_replay_takes_letters_back(samples, redis_client):
    """Failed events that are sent after all are no negative bar."""
    put(redis_client, NOW_MS - MINUTE_MS, failed=300, sent=10)
    put(redis_client, NOW_MS, failed=0, sent=310)
    points = samples.series(["crm"], "15m", NOW_MS)["crm"].points
    assert (points[-1].failed, points[-1].sent) == (0, 300)


def test_a_foreign_entry_is_no_sample(samples, redis_client):
    """What another release, or somebody else, wrote there is passed over."""
    redis_client.xadd(SAMPLES, {"b": b"\xff"}, id=f"{NOW_MS - MINUTE_MS}-1")
    assert samples.series(["crm"], "15m", NOW_MS)["crm"].since_ms is None


def test_old_samples_go(samples, redis_client):
    """Seven days are kept."""
    with redis_client.pipeline() as pipe:
        for minute in range(30_000):
            pipe.xadd(SAMPLES, {"b": b"{}"}, id=f"{1_000_000 + minute * MINUTE_MS}-1")
        pipe.execute()
    assert samples.add({"crm": Sample()})
    assert redis_client.xlen(SAMPLES) < 200


def test_a_series_ends_with_the_counts_of_now(samples, redis_client):
    """Whoever looks a moment after the first events sees them, and not the figures of the minute before."""
    put(redis_client, NOW_MS, received=1)
    now = {"crm": Sample(received=1075, waiting=3), "new": Sample(received=5)}
    series = samples.series(now, "24h", NOW_MS + 20_000, now)
    assert (series["crm"].total("received"), series["crm"].points[-1].waiting) == (1074, 3)
    assert series["new"].total("received") == 5
