"""Replicas that must confirm an event before its 200."""

import pytest

from worker.machine.replicas import judge_replicas

SYNCED = {"appendonly": "yes", "appendfsync": "always"}


def judged(number, needed=1, config=None, state="online", on_disk=True, remember_s=60.0):
    info = {f"slave{n}": {"ip": "10.0.0.1", "port": 6380 + n, "state": state} for n in range(number)}
    info |= {"connected_slaves": number, "slave_repl_offset": 7}
    found = judge_replicas(info, needed, remember_s=remember_s, on_disk=on_disk, ask=lambda _host, _port: config)
    return [(fact.level, fact.text, fact.remedy) for fact in found]


def test_replicas_that_need_not_confirm_may_lag_behind():
    """The default: no 200 waits for them, so one that takes over may lack what was answered last."""
    assert judged(0, needed=0) == judged(1, needed=0, state="wait_bgsave") == []
    ((level, text, remedy),) = judged(2, needed=0)
    assert (level, remedy) == ("ok", "")
    assert text.startswith("they lag behind")
    assert "RELAY_REPLICAS_ACK=1" in text


def test_without_a_memory_what_a_replica_lacks_is_lost():
    """The web door gives nothing back then."""
    ((level, text, remedy),) = judged(1, needed=0, remember_s=0)
    assert (level, remedy) == ("warning", "unset RELAY_REMEMBER_S")
    assert "is lost" in text


def test_replicas_that_can_confirm_are_fine():
    """In memory all that counts is that they are there; on disk, that each write is synced."""
    assert [level for level, *_ in judged(2, config=SYNCED)] == ["ok"]
    assert [level for level, *_ in judged(1, on_disk=False)] == ["ok"]


@pytest.mark.parametrize(("number", "state"), [(0, "online"), (1, "wait_bgsave")])
def test_too_few_replicas_refuse_every_event(number, state):
    """One that still copies confirms nothing."""
    ((level, text, _),) = judged(number, state=state)
    assert level == "wrong"
    assert "0 online, and RELAY_REPLICAS_ACK=1 must confirm: ingest answers 503" in text


@pytest.mark.parametrize(
    ("config", "level", "remedy"),
    [
        ({"appendonly": "no", "appendfsync": "always"}, "wrong", "-h 10.0.0.1 -p 6380 CONFIG SET appendonly yes"),
        ({"appendonly": "yes", "appendfsync": "everysec"}, "warning", "CONFIG SET appendfsync always"),
        (None, "warning", "ask who runs it"),
    ],
)
def test_a_disk_that_confirms_late_or_never_is_named(config, level, remedy):
    """With a sync each second every 200 waits for it; without a file none ever comes."""
    ((found, text, advice),) = judged(1, config=config)
    assert found == level
    assert "10.0.0.1:6380" in text
    assert remedy in advice
