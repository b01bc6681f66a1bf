"""Dead letters by what has to be fixed, and the numbers that people call the groups by."""

import time

import pytest
import redis

from tests.support.deadseed import HOUR_MS, seed
from worker.dead.condition import read_condition
from worker.dead.filters import Filter
from worker.dead.groups import KEPT_MS, Groups
from worker.dead.letters import DeadLetters

SHARDS, NUMBER = 4, 600
ONE = ["production"]
NOW_MS = time.time_ns() // 1_000_000


@pytest.fixture
def letters(redis_client):
    """Six hundred dead letters of six causes."""
    seed(redis_client, NUMBER, SHARDS, people=40)
    return DeadLetters(redis_client, SHARDS)


@pytest.fixture
def groups(redis_client, letters):
    """The same by what has to be fixed."""
    return Groups(redis_client, letters)


def numbers(found):
    """What each group is called, by its reason and status."""
    return {(one.reason, one.status): one.number for one in found}


def test_every_letter_is_in_one_group(groups, letters):
    """The largest first, whichever events it hit; its filter means just its letters."""
    seed(letters._redis, 60, SHARDS, only=lambda dead: dead.reason == "no_person", integration="crm", source="crm")
    found = groups.list(["production", "crm"], Filter(), NOW_MS)
    assert [one.count for one in found] == sorted((one.count for one in found), reverse=True)
    assert sum(one.count for one in found) == sum(letters.totals(["production", "crm"]).values())
    for one in found:
        mine = list(letters.find(["production", "crm"], one.narrow(Filter())))
        assert {(letter.integration, letter.reason, letter.field, letter.status) for letter in mine} == {one.key}
        assert len(mine) == one.count
        assert sum(one.hours) == sum(0 <= NOW_MS - letter.failed_ms < 12 * HOUR_MS for letter in mine)
        assert {letter.event for letter in mine} == set(one.events)
        assert (one.oldest_ms, one.newest_ms) == (min(at := [m.failed_ms for m in mine]), max(at))


@pytest.mark.parametrize(
    "wanted", [Filter(since_ms=NOW_MS - 3 * HOUR_MS), Filter(where=(read_condition("user_id = user-7"),))]
)
def test_a_group_can_be_narrowed(groups, letters, wanted):
    """A filter of the payload, or of time, means some of a group's letters, and its number all of them."""
    found = groups.list(ONE, wanted, NOW_MS)
    assert found
    for one in found:
        assert one.count == len(list(letters.find(ONE, one.narrow(wanted))))
        assert len(list(letters.find(ONE, groups.numbered()[one.number].narrow(Filter())))) > one.count


def test_a_number_stays_with_its_group(groups, letters, redis_client):
    """However the groups grow, shrink and go, and whoever lists which of them: a number never means another group."""
    first = numbers(groups.list(ONE, Filter(), NOW_MS))
    assert list(first.values()) == [1, 2, 3, 4, 5, 6]
    only = groups.list(ONE, Filter(reasons=("no_person",)), NOW_MS)
    assert [one.number for one in only] == [first["no_person", 0]]
    for shard in range(SHARDS):
        redis_client.delete(*redis_client.keys(f"relay:{{{shard}}}:dead*"))
    assert groups.list(ONE, Filter(), NOW_MS) == []
    seed(redis_client, 90, SHARDS, only=lambda dead: dead.reason == "too_large", integration="crm")
    assert [one.number for one in groups.list(["crm"], Filter(), NOW_MS + KEPT_MS - 1000)] == [7]
    seed(redis_client, NUMBER, SHARDS)
    assert numbers(groups.list(ONE, Filter(), NOW_MS + KEPT_MS - 1000)) == first


def test_a_number_is_free_a_day_after_its_group_was_last_listed(groups, redis_client):
    """So that they stay small; the others keep theirs."""
    groups.list(ONE, Filter(), NOW_MS)
    groups.list(ONE, Filter(reasons=("no_person",)), NOW_MS + KEPT_MS // 2)
    seed(redis_client, 90, SHARDS, only=lambda dead: dead.reason == "too_large", integration="crm")
    assert [one.number for one in groups.list(["crm"], Filter(), NOW_MS + KEPT_MS)] == [1]
    assert sorted(groups.numbered()) == [1, 3]


def test_who_may_only_read_sees_the_groups_without_numbers(groups, redis_client):
    """A listing needs no right to write."""
    redis_client.acl_setuser(
        "reader", enabled=True, passwords=["+read"], categories=["+@read", "+@connection"], keys=["*"]
    )
    facts = redis_client.connection_pool.connection_kwargs | {"username": "reader", "password": "read"}
    reader = redis.Redis(connection_pool=redis.ConnectionPool(redis_client.connection_pool.connection_class, **facts))
    found = Groups(reader, DeadLetters(reader, SHARDS)).list(ONE, Filter(), NOW_MS)
    assert [one.number for one in found] == [0] * 6
    reader.close()
    redis_client.acl_deluser("reader")
