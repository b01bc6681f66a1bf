"""Lanes that threads of one process serve side by side."""

import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.support.fakes import raw_event
from tests.support.hostile import Hostile, answer
from tests.support.parts import append, make_parts
from tests.support.waiting import elapse, until
from worker.ledger.figures import Ledger
from worker.mapping.mapper import Mapper
from worker.process.stop import Stop

SHARDS, EVENTS = 12, 40


def test_each_thread_has_a_connection_of_its_own(tmp_path, redis_url, caplog):
    """Answers belong to their requests, none is lost, and no connection is opened twice or thrown away."""
    caplog.set_level(logging.DEBUG, "urllib3")
    with Hostile(lambda caller: caller.say(answer(200))) as server:
        parts = make_parts(tmp_path, redis_url, base_url=server.url, shards=SHARDS, batch_events=5)
        parts.join()
        for lane in parts.lanes():
            append(parts, lane, *[raw_event("ACTIVATE", at, person=f"p{lane.shard}") for at in range(EVENTS)])
        with ThreadPoolExecutor(SHARDS) as pool:
            ended = list(pool.map(lambda lane: parts.delivery(lane, Stop()).run(uuid.uuid4().hex), parts.lanes()))
    assert ended == ["empty"] * SHARDS
    found = Ledger(parts).audit()
    assert [(books.delivered, books.waiting) for books in found.books] == [(EVENTS, 0)] * SHARDS
    assert [one for one in found.findings if one.integration] == []
    said = [record.getMessage() for record in caplog.records if record.name.startswith("urllib3")]
    assert not [text for text in said if "pool is full" in text]
    assert sum("Starting new HTTP connection" in text for text in said) <= SHARDS
    parts.redis.close()


def test_after_a_crash_one_lane_at_a_time_decides(tmp_path, redis_url, monkeypatch):
    """What dies of deciding takes all threads with it: no other lane may look as if its own event had done it."""
    inside, go_on = threading.Semaphore(0), threading.Event()
    decide = Mapper.decide

    def slowly(self, event, *rest):
        inside.release()
        assert go_on.wait(30)
        return decide(self, event, *rest)

    monkeypatch.setattr(Mapper, "decide", slowly)
    with Hostile(lambda caller: caller.say(answer(200))) as server:
        parts = make_parts(tmp_path, redis_url, base_url=server.url, shards=2)
        parts.join()
        for lane in parts.lanes():
            append(parts, lane, raw_event("ACTIVATE", 0, person=f"p{lane.shard}"))
            for death in range(4):  # so many holders of its lease have vanished
                parts.streams.take(lane, f"former-{death}", 10, probe=False)
                parts.redis.delete(lane.key("lease"))
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(parts.delivery(lane, Stop()).run, uuid.uuid4().hex) for lane in parts.lanes()]
            until(lambda: inside.acquire(blocking=False), "one of them decides")
            leases = [lane.key("lease") for lane in parts.lanes()]
            until(lambda: parts.redis.exists(*leases) == 2, "the other has its lease too")
            elapse(0.2)
            phases = [parts.redis.hget(lane.key("flight"), "phase") for lane in parts.lanes()]
            assert sorted(phases, key=bool) == [None, b"mapping"]
            go_on.set()
            assert [one.result() for one in running] == ["empty", "empty"]
    parts.redis.close()
