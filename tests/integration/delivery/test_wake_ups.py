"""No wake-up is lost: appends race with holders that let go, and without any sweep nothing is left behind."""

import asyncio
import queue
import random
import threading
import uuid

import pytest
import redis.asyncio

from tests.support.fakes import raw_event
from tests.support.hostile import Hostile, answer
from tests.support.parts import make_parts
from tests.support.waiting import elapse_async
from worker.ingest.coalescer import Appender, Incoming
from worker.ingest.memory import Memory
from worker.ledger.figures import Ledger
from worker.process.stop import Stop
from worker.store.lane import Lane
from worker.store.stream import WAKE_MS

EVENTS = 1500
WORKERS = 3


@pytest.mark.parametrize("seed", [1, 2])
def test_every_event_is_served_by_the_messages_alone(tmp_path, redis_url, seed):
    """Three workers, appends of one to five events at odd moments: each wake-up is served, and all is delivered."""
    messages: queue.Queue[Lane | None] = queue.Queue()
    sent = 0
    with Hostile(lambda caller: caller.say(answer(200))) as server:
        parts = make_parts(tmp_path, redis_url, base_url=server.url)
        parts.join()
        workers = [
            threading.Thread(
                target=_work, args=(make_parts(tmp_path, redis_url, base_url=server.url), messages), daemon=True
            )
            for _ in range(WORKERS)
        ]
        for worker in workers:
            worker.start()

        def wake(integration, shard):
            nonlocal sent
            sent += 1
            messages.put(Lane("app", integration, shard))

        asyncio.run(_append(redis_url, parts, wake, random.Random(seed)))
        messages.join()
        for _ in workers:
            messages.put(None)
        for worker in workers:
            worker.join()
    found = Ledger(parts).audit()
    assert sum(books.delivered for books in found.books) == EVENTS
    assert (found.findings, sum(books.waiting for books in found.books)) == ([], 0)
    assert sent <= EVENTS
    parts.redis.close()


async def _prepared():
    """The groups are there."""


async def _append(redis_url, parts, wake, dice):
    client = redis.asyncio.Redis.from_url(redis_url, protocol=2)
    appender = Appender(
        client,
        {"app": ("production",)},
        _prepared,
        wake,
        wake_ms=WAKE_MS,
        dedup_window_s=3600,
        timeout_s=5,
        max_memory_percent=90,
        shards=2,
        memory=Memory(60, 1_000_000),
    )
    number = 0
    while number < EVENTS:
        count = min(dice.randrange(1, 6), EVENTS - number)
        batch = [
            Incoming("app", n % 2, f"E-{n}", "", raw_event("E", n, person=f"p{n % 7}"))
            for n in range(number, number + count)
        ]
        await appender.append(batch)
        number += count
        if dice.random() < 0.5:
            await elapse_async(dice.random() * 0.004)
    await client.aclose()


def _work(parts, messages):
    """A worker without a sweep: what its lane's message asks for, and again what a yield promises."""
    while (lane := messages.get()) is not None:
        while parts.delivery(lane, Stop()).run(uuid.uuid4().hex) == "more":
            pass
        messages.task_done()
    messages.task_done()
    parts.redis.close()
