"""A Redis that is away, silent, full, read-only or loading: 503 in time, and service again without a restart."""

import concurrent.futures
import os
import shutil
import signal
import threading

import pytest
import redis

from tests.integration.ingest.test_ingest_webhook import is_problem
from tests.support.door import make_parts, running
from tests.support.proxy import Babbler
from tests.support.servers import OwnRedis
from tests.support.waiting import elapse, until

pytestmark = pytest.mark.usefixtures("environ")


def event(name):
    return {"event_id": name, "user_id": "jeff"}


def is_refused(answer, reason):
    detail = is_problem(answer, 503, "Not stored")
    assert answer.headers["retry-after"] == "5"
    assert f"({reason})" in detail
    return True


def names(door):
    return sorted(raw.split(b'"')[3].decode() for raw in door.stored())


def test_a_door_may_open_before_its_server(tmp_path, own_redis):
    """It answers 503 at once, then serves; the groups are made before the first event, so that none skips it."""
    server = own_redis()
    server.kill()
    with running(make_parts(tmp_path, server.url)) as door:
        assert is_refused(door.webhook(event("a")), "connection")  # it does not wait: that would be "timeout"
        assert is_refused(door.ask("GET", "/readyz"), "connection")
        assert door.ask("GET", "/metrics").status == 503
        assert door.ask("GET", "/healthz").status == 200
        server.start()
        until(lambda: door.webhook(event("a")).status == 200, "it serves")
        assert door.ask("GET", "/readyz").status == 200
        [stream] = door.redis.keys("relay:*:events:app")[:1]
        shards = door.redis.keys("relay:*:events:app")
        assert len(shards) == door.parts.settings.shards
        groups = {group["name"]: group["last-delivered-id"] for group in door.redis.xinfo_groups(stream)}
        assert groups == {b"one": b"0-0", b"two": b"0-0"}


def test_a_server_that_is_killed_keeps_what_was_answered(tmp_path, own_redis):
    """While it is away 503, afterwards 200 from the first request on."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        assert door.webhook(event("a")).status == 200
        server.kill()
        assert is_refused(door.webhook(event("b")), "connection")
        server.start()
        assert door.webhook(event("a")).json == {"accepted": 0, "duplicates": 1}
        assert door.webhook(event("b")).json == {"accepted": 1, "duplicates": 0}
        server.kill()
        server.start()
        # nothing was asked meanwhile: the connection is found closed, and opened again, within one request
        assert door.webhook(event("c")).json == {"accepted": 1, "duplicates": 0}
        assert names(door) == ["a", "b", "c"]


def test_a_server_that_hangs_does_not_hold_up_the_sender(tmp_path, own_redis):
    """Each request is answered within the time set, whatever waits before it; afterwards all is stored once."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, append_timeout_s=1.0)) as door:
        assert door.webhook(event("warm")).status == 200
        os.kill(server._process.pid, signal.SIGSTOP)
        try:
            with concurrent.futures.ThreadPoolExecutor(20) as pool:
                asked = []
                for number in range(20):
                    asked.append(pool.submit(door.webhook, event(f"e{number}")))
                    elapse(0.04)
                assert door.ask("GET", "/healthz").status == 200
                probes = 0  # each is given up after half a second by the door's own clock
                while not all(one.done() for one in asked):
                    assert is_refused(door.ask("GET", "/readyz"), "timeout")
                    probes += 1
            assert all(is_refused(one.result(), "timeout") for one in asked)
            assert probes < 10, "one after another they would take forty"
        finally:
            os.kill(server._process.pid, signal.SIGCONT)
        until(lambda: door.webhook(event("e0")).status == 200, "it serves")
        for number in range(20):
            assert door.webhook(event(f"e{number}")).status == 200
        assert names(door) == sorted(["warm", *(f"e{number}" for number in range(20))])


def test_connections_that_are_cut_cost_nobody_an_answer(tmp_path, own_redis):
    """A trip that is cut is made once more; what was stored by the first is known by then."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:

        def send(name):
            return [door.webhook(event(f"{name}{number}")).status for number in range(25)]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(send, name) for name in "abcdefgh"]
            while not all(one.done() for one in asked):
                door.redis.client_kill_filter(_type="normal", skipme=True)
                elapse(0.04)
        statuses = [status for one in asked for status in one.result()]
        assert statuses.count(200) >= 170
        assert set(statuses) <= {200, 503}
        assert len(names(door)) == len(set(names(door))) >= statuses.count(200)


def test_answers_are_not_mixed_up_after_a_timeout(tmp_path, own_redis):
    """A reply that comes late belongs to nobody: the connection it comes on is closed."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, append_timeout_s=0.4)) as door:
        assert door.webhook(event("known")).status == 200
        os.kill(server._process.pid, signal.SIGSTOP)
        assert is_refused(door.post([event("known"), event("new")]), "timeout")
        os.kill(server._process.pid, signal.SIGCONT)
        for number in range(10):
            until(lambda n=number: door.post([event(f"n{n}")]).status == 200, "it serves")
            assert door.post([event("known"), event(f"m{number}")]).json == {"accepted": 1, "duplicates": 1}


@pytest.mark.parametrize(
    "nonsense",
    [
        b"+OK\r\n",
        b"$1\r\n1\r\n",
        b"$3\r\n1OK\r\n",
        b"$9\r\n111111111\r\n",
        b":3\r\n",
        b"$-1\r\n",
        b"*0\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ],
    ids=repr,
)
def test_a_server_that_answers_nonsense_stores_nothing(tmp_path, own_redis, nonsense):
    """503 whatever it says, for events and for readiness, and no wake-up; when it comes to its senses, all goes on."""
    server = own_redis()
    with Babbler(server.port) as wire, running(make_parts(tmp_path, wire.url)) as door:
        assert door.webhook(event("a")).status == 200
        until(lambda: len(door.wakes) == 2, "both integrations are woken")
        wire.nonsense = nonsense
        for _ in range(3):
            for answer in (door.webhook(event("b")), door.post([event("c"), event("d")]), door.ask("GET", "/readyz")):
                is_problem(answer, 503)
        assert len(door.wakes) == 2
        wire.nonsense = b""
        until(lambda: door.webhook(event("b")).status == 200, "it serves")
        assert door.post([event("a"), event("c")]).json == {"accepted": 1, "duplicates": 1}


def test_a_full_server_takes_nothing(tmp_path, own_redis):
    """Refused by Redis itself, without our reserve; nothing of an array is stored; room made is used at once."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, max_memory_percent=100)) as door:
        assert door.webhook(event("a")).status == 200
        door.redis.config_set("maxmemory", 1)
        answers = [door.post([event("b"), event("c")]) for _ in range(3)]
        assert all(is_refused(answer, "memory") for answer in answers)
        assert is_refused(door.ask("GET", "/readyz"), "memory")
        assert door.redis.hgetall("relay:{0}:intake:app") in ({}, {b"accepted": b"1"})
        door.redis.config_set("maxmemory", 0)
        until(lambda: door.post([event("b"), event("c")]).status == 200, "there is room")
        assert names(door) == ["a", "b", "c"]


def test_the_script_itself_is_refused_by_a_full_server(tmp_path, own_redis):
    """Between two looks at the memory it may fill up: then Redis refuses, and nothing is half-stored."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        assert door.webhook(event("a")).status == 200
        door.redis.config_set("maxmemory", 1)
        assert is_refused(door.post([event("b"), event("c")]), "memory")
        assert names(door) == ["a"]
        assert sum(door.redis.hlen(key) for key in door.redis.keys("relay:*:ids:*")) == 1


def test_a_replica_takes_nothing(tmp_path, own_redis):
    """A failover has made it read-only: 503 until that is over."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        assert door.webhook(event("a")).status == 200
        door.redis.replicaof("127.0.0.1", 1)
        assert is_refused(door.webhook(event("b")), "readonly")
        assert is_refused(door.ask("GET", "/readyz"), "readonly")
        door.redis.replicaof("NO", "ONE")
        assert door.webhook(event("b")).status == 200


def test_a_server_that_cannot_write_to_its_disk_takes_nothing(tmp_path, own_redis):
    """MISCONF: what it would store would not survive."""
    server = own_redis(save="3600 1", appendonly="no")
    with running(make_parts(tmp_path, server.url)) as door:
        assert door.webhook(event("a")).status == 200
        shutil.rmtree(server.folder)
        door.redis.bgsave()
        until(lambda: door.redis.info("persistence")["rdb_last_bgsave_status"] == "err", "it cannot save")
        assert is_refused(door.webhook(event("b")), "disk")
        assert is_refused(door.ask("GET", "/readyz"), "disk")
        door.redis.config_set("stop-writes-on-bgsave-error", "no")
        assert door.webhook(event("b")).status == 200


def test_a_server_that_is_loading_takes_nothing(tmp_path, own_redis):
    """After a restart with much to read it says so; the reason is passed on."""
    slowly = {"key_load_delay": "50000", "loading_process_events_interval_bytes": "1024"}
    server = own_redis(rdbcompression="no", **slowly)
    with running(make_parts(tmp_path, server.url)) as door:
        door.redis.mset({f"filler:{n}": "x" * 2048 for n in range(20)})
        assert door.webhook(event("a")).status == 200
        door.redis.bgrewriteaof()
        until(lambda: not door.redis.info("persistence")["aof_rewrite_in_progress"], "it is rewritten")
        server.kill()
        reopen(server)
        reasons = set()

        def serves():
            answer = door.webhook(event("b"))
            reasons.add(answer.status == 200 or answer.json["detail"].partition("(")[2].partition(")")[0])
            return answer.status == 200

        until(serves, "it has read its file", every_s=0.1)
        assert reasons <= {True, "loading", "connection", "timeout"}
        assert "loading" in reasons


def reopen(server: OwnRedis) -> None:
    """Start the server without waiting until it has read its file."""
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(server, "_answers", lambda: True)
        server.start()


def test_another_number_of_shards_stores_nothing(tmp_path, own_redis, caplog):
    """Found only when the server came up: events would lie where no worker looks, so there are none."""
    server = own_redis()
    server.kill()
    with running(make_parts(tmp_path, server.url)) as door:
        server.start()
        door.redis.set("relay:shards", 64)
        assert is_refused(door.webhook(event("a")), "setup")
        assert is_refused(door.ask("GET", "/readyz"), "setup")
        assert door.stored() == []
        assert "RELAY_SHARDS is 4" in caplog.text
        door.redis.set("relay:shards", 4)
        assert door.webhook(event("a")).status == 200


def test_figures_are_not_waited_for_without_end(tmp_path, own_redis, monkeypatch):
    """A scrape of a silent server is a 503, and the next ones do not pile up behind it."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url, append_timeout_s=0.4)) as door:
        assert door.ask("GET", "/metrics").status == 200
        os.kill(server._process.pid, signal.SIGSTOP)
        try:
            monkeypatch.setattr("worker.ingest.health._PATIENCE_S", 0.3)
            before = set(threading.enumerate())
            for _ in range(3):
                assert is_refused(door.ask("GET", "/metrics"), "timeout")
            readings = [thread for thread in {*threading.enumerate()} - before if thread.name == "metrics"]
            assert len(readings) == 1, "one reading for all three, and none of them waited for its end"
        finally:
            os.kill(server._process.pid, signal.SIGCONT)
            monkeypatch.setattr("worker.ingest.health._PATIENCE_S", 8)
        until(lambda: door.ask("GET", "/metrics").status == 200, "figures again")


def test_a_mistake_of_ours_is_a_503_and_names_its_place(tmp_path, own_redis, monkeypatch, caplog):
    """Never a 500, never the request's words; health is not touched."""
    server = own_redis()
    with running(make_parts(tmp_path, server.url)) as door:
        monkeypatch.setattr("worker.ingest.app.read_one", lambda *_: {}["jeff"])
        answer = door.webhook(event("a"))
        is_problem(answer, 503, "Unavailable")
        assert answer.headers["retry-after"] == "5"
        assert "unexpected fault=KeyError at=test_ingest_redis.py:" in caplog.text
        assert "jeff" not in caplog.text
        assert "Traceback" not in caplog.text
        assert door.ask("GET", "/healthz").status == 200


def test_a_door_that_closes_gives_its_connections_back(tmp_path, own_redis):
    """All but the test's own."""
    server = own_redis()
    with redis.Redis.from_url(server.url) as looking:
        with running(make_parts(tmp_path, server.url)) as door:
            assert door.webhook(event("a")).status == 200
            assert len(looking.client_list()) > 1
        until(lambda: len(looking.client_list()) == 1, "only the test's own is left")
