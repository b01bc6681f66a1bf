"""Dead letters counted, grouped and listed, compared with what a plain look at all of them gives."""

import time

import pytest
import redis

from tests.support.deadseed import HOUR_MS, seed
from worker.dead.causes import gather
from worker.dead.condition import read_condition
from worker.dead.filters import Filter
from worker.dead.letters import DeadLetters

SHARDS, NUMBER = 4, 600
ONE = ["production"]


@pytest.fixture
def letters(redis_client):
    """Six hundred dead letters of six causes."""
    seed(redis_client, NUMBER, SHARDS, people=40)
    return DeadLetters(redis_client, SHARDS)


def pages(letters, wanted, limit):
    """All pages of a listing."""
    found, place = letters.page(ONE, wanted, limit)
    yield found
    while place is not None:
        found, place = letters.page(ONE, wanted, limit, place)
        yield found


FILTERS = [
    Filter(),
    Filter(reasons=("rejected",)),
    Filter(reasons=("rejected",), statuses=(400,)),
    Filter(events=("SUBSCRIPTION_RENEWED",), fields=("attributes", "customerio_user_id")),
    Filter(person="user-7"),
    Filter(where=(read_condition("plan = monthly"), read_condition("user_id ~ 3$"))),
    Filter(reasons=("no such",)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda wanted: wanted.text() or "all")
@pytest.mark.parametrize("limit", [7, 100, 1000])
def test_the_pages_together_are_every_letter_once(letters, wanted, limit):
    """Whatever the filter and the size of a page: each letter once, newest first."""
    every = list(letters.find(ONE, Filter()))
    assert len(every) == NUMBER
    listed = list(pages(letters, wanted, limit))
    assert all(len(page) == limit for page in listed[:-1])
    expected = sorted(
        (one for one in every if wanted.takes(one)), key=lambda one: (one.failed_ms, one.id), reverse=True
    )
    assert [one.id for page in listed for one in page] == [one.id for one in expected]


@pytest.mark.parametrize("hours", [(0, 3), (2, 5), (5, 0)])
def test_letters_are_found_by_when_they_died(letters, hours):
    """Since is included, until is not; 0 is no bound."""
    now_ms = time.time_ns() // 1_000_000
    since, until = (now_ms - hours[1] * HOUR_MS) if hours[1] else 0, (now_ms - hours[0] * HOUR_MS) if hours[0] else 0
    wanted = Filter(since_ms=since, until_ms=until)
    every = list(letters.find(ONE, Filter()))
    expected = {one.id for one in every if one.failed_ms >= since and (not until or one.failed_ms < until)}
    assert 0 < len(expected) < NUMBER
    assert {one.id for one in letters.find(ONE, wanted)} == expected
    assert {one.id for page in pages(letters, wanted, 50) for one in page} == expected
    assert sum(cause.count for cause in letters.causes.list(ONE, wanted)) == len(expected)


@pytest.mark.parametrize("wanted", [Filter(), Filter(reasons=("rejected",)), Filter(reasons=("none",))])
def test_causes_from_counts_are_those_of_the_letters(letters, wanted):
    """Count, oldest, newest and trend come from Redis's own figures, and agree with the letters themselves."""
    now_ms = time.time_ns() // 1_000_000
    causes = letters.causes.list(ONE, wanted)
    letters.causes.date(causes, wanted, now_ms, 12)
    assert causes == gather(letters.find(ONE, wanted), now_ms, 12)
    if wanted == Filter():
        assert [cause.count for cause in causes] == [300, 120, 72, 48, 36, 24]
        assert sum(causes[0].hours) == 300


def test_letters_come_in_the_order_of_their_events(letters):
    """Within a shard a replay sees them as they were received."""
    by_shard = {}
    for one in letters.find(ONE, Filter()):
        by_shard.setdefault(one.shard, []).append(one.received_ms)
    assert sorted(by_shard) == list(range(SHARDS))
    assert all(times == sorted(times) for times in by_shard.values())


def test_totals_and_unknown_letters(letters):
    """Counts are those of all shards; an id that is not there is None, one that is none is an error."""
    assert letters.totals(["production", "other"]) == {"production": NUMBER, "other": 0}
    there = next(letters.find(ONE, Filter()))
    assert letters.get([there.id, "production.1.5-5"]) == [there, None]
    with pytest.raises(ValueError, match="is no id"):
        letters.get(["nonsense"])


def test_letters_that_go_while_they_are_listed_do_not_stop_it(letters, redis_client: redis.Redis):
    """A listing is read piece by piece; what was replayed meanwhile is simply not there."""
    first, place = letters.page(ONE, Filter(), 50)
    for shard in range(SHARDS):
        dead = f"relay:{{{shard}}}:dead:production"
        redis_client.hdel(dead, *list(redis_client.hkeys(dead))[:50])
    rest, _ = letters.page(ONE, Filter(), 1000, place)
    assert len({one.id for one in first} | {one.id for one in rest}) == len(first) + len(rest)
    assert NUMBER - 200 - 50 <= len(rest) <= NUMBER - 200
