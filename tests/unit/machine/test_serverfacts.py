"""What a Redis server's settings mean."""

import pytest

from worker.machine.serverfacts import judge_server

INFO = {
    "redis_version": "7.0.15",
    "role": "master",
    "loading": 0,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "used_memory": 100 << 20,
    "maxmemory": 1 << 30,
    "maxmemory_policy": "noeviction",
    "total_system_memory": 4 << 30,
}
CONFIG = {"save": "", "appendfsync": "always", "stop-writes-on-bgsave-error": "yes"}


def judge(config=None, **info):
    return judge_server(INFO | info, CONFIG if config is None else config, 90)


def worst(facts):
    return [(fact.subject, fact.level) for fact in facts if fact.level != "ok"]


def test_a_good_server_has_nothing_to_mend():
    """AOF with fsync always, noeviction, room: no warning."""
    assert worst(judge()) == []


@pytest.mark.parametrize(
    ("changed", "subject", "level", "message", "remedy"),
    [
        ({"redis_version": "6.2.14"}, "version", "wrong", "Redis 6.2.14 is too old", "Redis 7.0"),
        ({"role": "slave"}, "role", "wrong", "replica", "primary"),
        ({"loading": 1}, "loading", "warning", "503", ""),
        ({"aof_enabled": 0}, "append-only file", "wrong", "everything since its start is lost", "SET appendonly yes"),
        ({"aof_last_write_status": "err"}, "append-only file", "wrong", "refused", "make room"),
        ({"maxmemory_policy": "allkeys-lru"}, "eviction", "wrong", "throws away", "maxmemory-policy noeviction"),
        ({"used_memory": 950 << 20}, "memory", "wrong", "93 %", "raise maxmemory"),
        ({"used_memory": 700 << 20}, "memory", "warning", "68 %", "raise maxmemory"),
        ({"maxmemory": 0}, "memory", "warning", "no limit", "SET maxmemory 2457mb"),
    ],
)
def test_a_fault_is_named_with_what_to_do(changed, subject, level, message, remedy):
    """Each setting that endangers events is found, judged and comes with a command."""
    facts = judge(**changed)
    assert worst(facts) == [(subject, level)]
    (fact,) = [fact for fact in facts if fact.level != "ok"]
    assert message in fact.text
    assert remedy in fact.remedy


@pytest.mark.parametrize(
    ("policy", "message"),
    [("everysec", "the last second or two"), ("no", "30 seconds"), (None, "is unknown")],
)
def test_a_slower_fsync_is_a_warning_that_says_what_can_be_lost(policy, message):
    """What a power cut costs is reported for each policy; a managed server may keep it to itself."""
    config = {} if policy is None else CONFIG | {"appendfsync": policy}
    (fact,) = [fact for fact in judge(config) if fact.level != "ok"]
    assert fact.level == "warning"
    assert message in fact.text


def test_snapshots_alone_lose_what_came_after_the_last_one():
    """RDB without AOF is named with its schedule."""
    facts = judge(CONFIG | {"save": "3600 1 300 100"}, aof_enabled=0)
    (fact,) = [fact for fact in facts if fact.level == "wrong"]
    assert "since the last snapshot" in fact.text
    assert "3600 1 300 100" in fact.text


def test_a_failed_snapshot_stops_writes():
    """With snapshots on, a failed one makes Redis refuse writes; without them it does not matter."""
    assert worst(judge(CONFIG | {"save": "60 1"}, rdb_last_bgsave_status="err")) == [("snapshot", "wrong")]
    assert worst(judge(CONFIG | {"save": ""}, rdb_last_bgsave_status="err")) == []


def test_eviction_without_a_limit_is_only_a_warning():
    """The policy acts once there is a limit."""
    facts = judge(maxmemory_policy="volatile-lru", maxmemory=0)
    assert ("eviction", "warning") in worst(facts)


def test_valkey_is_called_by_its_name():
    """Valkey answers as an old Redis; its own version is what is shown."""
    facts = judge(redis_version="7.2.4", valkey_version="9.1.2")
    assert facts[0].text == "Valkey 9.1.2"
