"""A million events waiting: memory above their raw size, and whether the drain is as fast as with few."""

import subprocess
import sys
import time
import zlib

import redis

from bench.delivery import delivered, join
from bench.setting import SHARDS, Setting, event, kill_tree, person_of
from worker.store.appending import append_call
from worker.store.scripts import script
from worker.store.turns import Turns

DEDUP_WINDOW_S = 21 * 86_400


def append_backlog(client: redis.Redis, count: int, people: int, first: int = 0) -> int:
    """Append through the web door's own script, the memory of seen ids included; the raw bytes appended."""
    append = client.register_script(script("append"))
    runs: dict[int, list[tuple[str, str, bytes]]] = {shard: [] for shard in range(SHARDS)}
    raw_bytes = 0
    for number in range(first, first + count):
        body = event(number, people)
        raw_bytes += len(body)
        runs[zlib.crc32(f"user-{person_of(number, people)}".encode()) % SHARDS].append((str(number), "", body))
        for shard, run in runs.items():
            if len(run) >= 400 or (number == first + count - 1 and run):
                keys, arguments = append_call("app", shard, ["production"], run, DEDUP_WINDOW_S)
                append(keys=keys, args=arguments)
                run.clear()
    return raw_bytes


def _drain_rate(setting: Setting, worker: subprocess.Popen[bytes], events: int) -> float:
    """Events a second over the first so many of a backlog."""
    while (first := delivered(setting.redis)) == 0:
        setting.check(worker)
        time.sleep(0.002)
    if first >= events:
        raise SystemExit(f"{first:,} events were delivered before anybody looked: take more")
    began = time.perf_counter()
    while (now := delivered(setting.redis)) < events:
        setting.check(worker)
        time.sleep(0.01)
    return (now - first) / (time.perf_counter() - began)


def backlog(small: int = 100_000, large: int = 1_000_000, people: int = 100_000) -> dict[str, float]:
    """Memory in Redis per waiting event above its raw size, and the drain rate against that of a small backlog."""
    rates: dict[int, float] = {}
    overhead = 0.0
    for count in (small, large):
        with Setting(port=8489) as setting:
            join(setting)
            before = setting.redis.info("memory")["used_memory"]
            raw_bytes = append_backlog(setting.redis, count, people)
            used = setting.redis.info("memory")["used_memory"] - before
            overhead = used / raw_bytes - 1
            setting.redis.delete(*[f"relay:{{{shard}}}:wake:production" for shard in range(SHARDS)])
            Turns(setting.redis).take("sweep", 0)  # beat is to have it delivered, once it is there
            worker = setting.worker("worker.tasks")
            beat = setting.start(
                sys.executable, "-m", "celery", "--app", "worker.tasks", "beat", "--scheduler", "celery.beat:Scheduler"
            )
            rates[count] = _drain_rate(setting, worker, small * 3 // 4)
            kill_tree(beat)
            kill_tree(worker)
    return {
        "waiting": large,
        "memory_over_raw": overhead,
        "drain_small_per_s": rates[small],
        "drain_large_per_s": rates[large],
        "drain_ratio": rates[large] / rates[small],
    }


if __name__ == "__main__":
    print(backlog(*[int(a) for a in sys.argv[1:]]))
