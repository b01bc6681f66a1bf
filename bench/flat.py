"""A worker's memory over two million events."""

import sys
import time

from bench.backlog import append_backlog
from bench.delivery import delivered, join
from bench.setting import SHARDS, Setting, memory_bytes


def flat(total: int = 2_000_000, wave: int = 200_000) -> dict[str, object]:
    """Memory of the worker, in MiB, after each wave; the streams are emptied between waves."""
    with Setting(port=8490) as setting:
        join(setting)
        worker = setting.worker("worker.tasks")
        beat = [sys.executable, "-m", "celery", "--app", "worker.tasks", "beat", "--scheduler", "celery.beat:Scheduler"]
        setting.start(*beat)
        taken = []
        for first in range(0, total, wave):
            append_backlog(setting.redis, wave, 100_000, first)
            while delivered(setting.redis) < first + wave:
                setting.check(worker)
                time.sleep(0.1)
            for shard in range(SHARDS):
                setting.redis.xtrim(f"relay:{{{shard}}}:events:app", maxlen=0)
            taken.append(round(memory_bytes(worker) / 2**20, 1))
    return {"events": total, "memory_mib": taken, "growth_after_first": taken[-1] / taken[0] - 1}


if __name__ == "__main__":
    print(flat(*[int(a) for a in sys.argv[1:]]))
