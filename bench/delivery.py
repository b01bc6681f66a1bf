"""Delivery: the full path against the hand-written way and against reading and acknowledging alone.

What is measured has a core of its own where there are two; Redis, the sink and whoever looks on share the other. Left
to the scheduler they get into each other's way, now more and now less.
"""

import subprocess
import sys
import time
import zlib
from collections.abc import Sequence

import redis

from bench.setting import ROOT, SHARDS, Setting, cpu_s, event, kill_tree, memory_bytes, onlookers, own_core, person_of
from worker.store.turns import Turns

BOUND = """
import sys, time, redis
client = redis.Redis.from_url(sys.argv[1], protocol=2)
began, cpu, read = time.perf_counter(), time.process_time(), 0
for shard in range(int(sys.argv[2])):
    stream = "relay:{%d}:events:app" % shard
    client.xgroup_create(stream, "bound", "0")
    while True:
        reply = client.xreadgroup("bound", "one", {stream: ">"}, count=500)
        if not reply:
            break
        ids = [entry[0] for entry in reply[0][1]]
        client.xack(stream, "bound", *ids)
        read += len(ids)
    client.xgroup_destroy(stream, "bound")
print(read, time.perf_counter() - began, time.process_time() - cpu)
"""


def fill(client: redis.Redis, count: int, people: int, shards: int = SHARDS) -> None:
    """Put events straight into the streams, as the web door leaves them."""
    pipe = client.pipeline(transaction=False)
    for number in range(count):
        shard = zlib.crc32(f"user-{person_of(number, people)}".encode()) % shards
        pipe.xadd(f"relay:{{{shard}}}:events:app", {"b": event(number, people)})
        if number % 1000 == 999:
            pipe.execute()
    pipe.execute()


def join(setting: Setting) -> None:
    """Make the groups, before any event is there."""
    code = "from worker.app import relay; relay().join()"
    subprocess.run([sys.executable, "-c", code], env=setting.env, cwd=ROOT, check=True)


def delivered(client: redis.Redis, shards: int = SHARDS, names: Sequence[str] = ("production",)) -> int:
    """Events settled as delivered, by all these integrations."""
    pipe = client.pipeline(transaction=False)
    for shard in range(shards):
        for name in names:
            pipe.hget(f"relay:{{{shard}}}:ledger:{name}", "delivered")
    return sum(int(n or 0) for n in pipe.execute())


def full(
    setting: Setting,
    count: int,
    people: int,
    concurrency: int = 0,
    *,
    fresh: bool = True,
    app: str = "worker.tasks",
    pool: str = "threads",
) -> dict[str, float]:
    """Drain a backlog with the real worker: events a second and CPU microseconds an event.

    An event counts once for each integration. `fresh` begins with an empty server, and people that are not known yet.
    """
    shards, names = setting.shards, setting.names
    if fresh:
        setting.redis.flushall()
    join(setting)
    total = delivered(setting.redis, shards, names) + count * len(names)
    fill(setting.redis, count, people, shards)
    Turns(setting.redis).take("sweep", 0)  # or the worker would look for a backlog itself, before it is asked to
    worker = setting.worker(app, concurrency, pool)
    known, cpu = delivered(setting.redis, shards, names), cpu_s(worker)
    wake = f"from worker.tasks import wake\nfor n in {names}:\n  for s in range({shards}): wake(n, s)"
    waker = subprocess.Popen([sys.executable, "-c", wake], env=setting.env, cwd=ROOT)
    while delivered(setting.redis, shards, names) == known:
        setting.check(worker)
        time.sleep(0.002)
    began, first = time.perf_counter(), delivered(setting.redis, shards, names)
    while delivered(setting.redis, shards, names) < total:
        setting.check(worker)
        time.sleep(0.02)
    took = time.perf_counter() - began
    used = cpu_s(worker) - cpu
    memory = memory_bytes(worker)
    waker.wait()
    kill_tree(worker)
    return {
        "events_per_s": (total - first) / took,
        "cpu_us_per_event": used / (total - known) * 1e6,
        "memory_mib": memory / 2**20,
    }


def baseline(setting: Setting, count: int, people: int) -> dict[str, float]:
    """The same through one task and two POSTs an event."""
    setting.redis.flushall()
    producer = (
        "import sys\nfrom bench.baseline import deliver, app\nfrom bench.setting import event\n"
        f"with app.producer_pool.acquire() as p:\n  for n in range({count}):\n"
        f"    deliver.apply_async((event(n, {people}).decode(),), producer=p)\n"
    )
    subprocess.run([sys.executable, "-c", producer], env=setting.env, cwd=ROOT, check=True)
    broker = redis.Redis.from_url(setting.url.replace("/0", "/1"))
    worker = setting.worker("bench.baseline", pool="prefork")
    while (left := broker.llen("baseline")) == count:
        time.sleep(0.002)
    began, cpu = time.perf_counter(), cpu_s(worker)
    while broker.llen("baseline") or broker.hlen("unacked"):
        time.sleep(0.02)
    took, used = time.perf_counter() - began, cpu_s(worker) - cpu
    kill_tree(worker)
    broker.close()
    return {"events_per_s": left / took, "cpu_us_per_event": used / left * 1e6}


def bound(setting: Setting, count: int, people: int) -> dict[str, float]:
    """XREADGROUP and XACK over the same streams, nothing else."""
    setting.redis.flushall()
    join(setting)
    fill(setting.redis, count, people)
    command = own_core(sys.executable, "-c", BOUND, setting.url, str(SHARDS))
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    read, took, used = out.stdout.split()
    assert int(read) == count
    return {"events_per_s": count / float(took), "cpu_us_per_event": float(used) / count * 1e6}


if __name__ == "__main__":
    with onlookers(), Setting() as here:
        for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 2):
            print("full    ", full(here, 40_000, 13_000))
            print("prefork ", full(here, 40_000, 13_000, pool="prefork"))
            print("bound   ", bound(here, 40_000, 13_000))
            print("baseline", baseline(here, 1_000, 300))
