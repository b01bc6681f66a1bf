"""Periodic work without beat: turns in Redis, and the worker that asks in its place."""

from tests.support.waiting import until
from worker.store.turns import Turns
from worker.upkeep.deputy import Deputy, asked


def test_a_turn_is_taken_once_whoever_asks(redis_client):
    """Two beats ask for a sweep at the same time: one is done, the next when it is due again."""
    first, second = Turns(redis_client), Turns(redis_client)
    assert [first.take("sweep", 0.5), second.take("sweep", 0.5), first.take("trim", 0.5)] == [True, False, True]
    until(lambda: second.take("sweep", 0.5), "it is due again")


def test_one_deputy_asks_when_nobody_else_did(redis_client):
    """While rounds are done nobody asks; afterwards one of all workers does, once an interval."""
    redis_client.hset("relay:turns", "sweep", 0)
    sent = []
    deputies = [Deputy(Turns(redis_client), {"sweep": 1.0, "trim": 60.0}, sent.append) for _ in range(3)]
    assert Turns(redis_client).take("sweep", 0.5)
    assert Turns(redis_client).take("trim", 30)
    assert [one.look() for one in deputies] == [[], [], []]
    redis_client.hset("relay:turns", "sweep", 1)  # long ago
    assert [one.look() for one in deputies] == [["sweep"], [], []]
    assert sent == ["sweep"]


def test_a_worker_that_has_just_begun_calls_nobody_silent(redis_client, caplog):
    """A relay that starts has no round behind it: beat is starting beside the worker; later it would be missing."""
    now_s = [0.0]
    sent = []
    deputy = Deputy(Turns(redis_client), {"sweep": 1.0}, sent.append, clock=lambda: now_s[0])
    assert deputy.look() == ["sweep"]
    assert "beat_is_silent" not in caplog.text
    now_s[0] = 6.0
    redis_client.hdel("relay:turns", "sweep", asked("sweep"))
    assert deputy.look() == ["sweep"]
    assert "beat_is_silent" in caplog.text


def test_a_full_server_has_turns(redis_client):
    """What drains must go on."""
    redis_client.config_set("maxmemory", 1)
    try:
        assert Turns(redis_client).take("sweep", 1)
    finally:
        redis_client.config_set("maxmemory", 0)
