"""Codes counted off the hot path: each event once, whoever counts, whatever the budget."""

import itertools
import json

import pytest

from tests.support.parts import append, make_parts
from worker.store.arrivals import Arrivals
from worker.store.keys import arrivals_key
from worker.store.lane import Lane
from worker.upkeep.counting import PAGE, coded_of, count_codes


@pytest.fixture
def parts(tmp_path, redis_url):
    return make_parts(tmp_path, redis_url)


def body(code, **fields):
    return json.dumps({"event_name": code, **fields}).encode()


def now_ms(parts):
    return parts.redis.time()[0] * 1000


def count(parts, budget_s=5.0, **options):
    return count_codes(parts.redis, ["app"], 2, budget_s, **options)


def test_each_event_is_counted_once(parts):
    """By code and environment; what came since the last time is added; other codes are not known."""
    for shard in range(2):
        append(parts, Lane("app", "production", shard), body("ACTIVATE"), body("ACTIVATE", environment="SANDBOX"), b"[")
    assert count(parts) == 6
    assert count(parts) == 0
    append(parts, Lane("app", "production", 0), body("ACTIVATE"), body(" RENEWAL_DISABLED "))
    assert count(parts) == 2
    week = Arrivals(parts.redis).week("app", ["PRODUCTION"], now_ms(parts))
    assert {code: seen.events for code, seen in week.items()} == {"ACTIVATE": 3, "RENEWAL_DISABLED": 1}
    assert week["ACTIVATE"].days[-1] == 3
    assert abs(week["ACTIVATE"].last_ms - now_ms(parts)) < 60_000
    assert Arrivals(parts.redis).week("app", ["SANDBOX"], now_ms(parts))["ACTIVATE"].events == 2


def test_what_the_budget_leaves_is_counted_next_time(parts):
    """A budget that is spent at once still moves on by a page of each stream."""
    append(parts, Lane("app", "production", 0), *[body("ACTIVATE")] * (PAGE * 2 + 10))
    spent = itertools.count()
    assert count(parts, 0.5, clock=lambda: next(spent)) == PAGE
    assert count(parts) == PAGE + 10
    assert Arrivals(parts.redis).week("app", ["PRODUCTION"], now_ms(parts))["ACTIVATE"].events == PAGE * 2 + 10


def test_two_that_count_at_once_count_once(parts):
    """The second one's page was counted already, so it is not added."""
    first, *_ = append(parts, Lane("app", "production", 0), body("ACTIVATE"))
    arrivals = Arrivals(parts.redis)
    hours, newest = {1: {("PRODUCTION", "ACTIVATE"): 1}}, {("PRODUCTION", "ACTIVATE"): 3_600_000}
    assert arrivals.count("app", 0, "", first, hours, newest)
    assert not arrivals.count("app", 0, "", first, hours, newest)
    assert arrivals.week("app", ["PRODUCTION"], 3_600_000)["ACTIVATE"].events == 1


def test_a_page_across_hours_is_counted_by_the_hour(parts):
    """Each entry in its own hour; a code's last one is the last of the page, others without a code count nowhere."""
    stream, hour_ms = Lane("app", "production", 0).key("events"), 3_600_000
    for place_ms, raw in (
        (5, body("ACTIVATE")),
        (hour_ms, b"["),
        (50 * hour_ms, body("ACTIVATE")),
        (99 * hour_ms, b"["),
    ):
        parts.redis.xadd(stream, {"b": raw}, id=f"{place_ms}-1")
    assert count(parts) == 4
    arrivals, code = Arrivals(parts.redis), "ACTIVATE"
    assert arrivals.week("app", ["PRODUCTION"], 5)[code].events == 1
    seen = arrivals.week("app", ["PRODUCTION"], 50 * hour_ms)[code]
    assert (seen.events, seen.last_ms) == (2, 50 * hour_ms)


def test_only_seven_days_count(parts):
    """By the hour; what is older is in no sum, but was the last of its code."""
    arrivals, code = Arrivals(parts.redis), ("PRODUCTION", "ACTIVATE")
    now = 1000 * 3_600_000
    hours = {1000 - ago: {code: 1} for ago in (0, 1, 23, 24, 167, 168, 300)}
    arrivals.count("app", 0, "", "1-1", hours, {code: now})
    seen = arrivals.week("app", ["PRODUCTION"], now)["ACTIVATE"]
    assert (seen.events, seen.days) == (5, (1, 0, 0, 0, 0, 1, 3))
    arrivals.count("app", 0, "1-1", "1-2", {}, {code: now - 5})
    assert arrivals.week("app", ["PRODUCTION"], now)["ACTIVATE"].last_ms == now


def test_a_sender_that_invents_codes_fills_no_memory(parts):
    """Beyond ten thousand codes a day new ones are not counted; known ones are."""
    arrivals = Arrivals(parts.redis)
    many = {("PRODUCTION", f"CODE_{n}"): 1 for n in range(12_000)}
    arrivals.count("app", 0, "", "1-1", {24: many}, many)
    assert parts.redis.hlen(arrivals_key("day:1", "app")) == 10_000
    assert parts.redis.hlen(arrivals_key("newest", "app")) == 10_000
    kept = parts.redis.hkeys(arrivals_key("day:1", "app"))[0].decode().split(" ")[2]
    arrivals.count("app", 0, "1-1", "1-2", {24: {("PRODUCTION", kept): 1}}, {})
    assert arrivals.week("app", ["PRODUCTION"], 25 * 3_600_000)[kept].events == 2
    assert all(parts.redis.ttl(key) > 0 for key in parts.redis.keys("relay:{arrivals}*"))


@pytest.mark.parametrize(
    ("raw", "coded"),
    [
        (b'{"event_name": "A", "environment": " sandbox "}', ("SANDBOX", "A")),
        (b'{"event_name": "A", "environment": null}', ("PRODUCTION", "A")),
        (b'{"event_name": "A", "environment": "STAGING"}', None),
        (b'{"event_name": 7}', None),
        (b'{"event_name": ""}', None),
        (b"\xff", None),
        (b'{"event_name": "' + b"x" * 101 + b'"}', None),
    ],
)
def test_what_a_code_is(raw, coded):
    """As the mapping reads it; what no integration could send is not counted."""
    assert coded_of(raw) == coded
