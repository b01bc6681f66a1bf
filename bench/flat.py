"""A worker's memory over two million events."""

import sys
import time

import psutil

from bench.backlog import _append
from bench.delivery import delivered, join
from bench.setting import SHARDS, Setting


def flat(total: int = 2_000_000, wave: int = 200_000) -> dict[str, object]:
    """Resident memory of the worker's child, in MiB, after each wave; the streams are emptied between waves."""
    with Setting(port=8490) as setting:
        join(setting)
        worker = setting.worker("worker.tasks")
        beat = [sys.executable, "-m", "celery", "--app", "worker.tasks", "beat", "--scheduler", "celery.beat:Scheduler"]
        setting.start(*beat)
        child = psutil.Process(worker.pid).children()[0]
        resident = []
        for first in range(0, total, wave):
            _append(setting.redis, wave, 100_000, first)
            while delivered(setting.redis) < first + wave:
                time.sleep(0.1)
            for shard in range(SHARDS):
                setting.redis.xtrim(f"relay:{{{shard}}}:events:app", maxlen=0)
            resident.append(round(child.memory_info().rss / 2**20, 1))
    return {"events": total, "resident_mib": resident, "growth_after_first": resident[-1] / resident[0] - 1}


if __name__ == "__main__":
    print(flat(*[int(a) for a in sys.argv[1:]]))
