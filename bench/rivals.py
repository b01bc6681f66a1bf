"""What people would really write instead, with the same mapping and the same sink: each is one module of that tool.

celery-batches (100 events a request), arq and dramatiq (one task an event). Their requirements contradict each other
and the relay's, so each gets an environment of its own, made once in BENCH_RIVALS (`.rivals` beside this file).

python -m bench.rivals
"""

import json
import os
import subprocess
import time
import venv
from pathlib import Path

from bench.setting import ROOT, Setting, cpu_s, event, kill_tree, onlookers, own_core

# How many events each is given, and what it is installed from.
RIVALS = {
    "celery_batches": (6_000, ["celery-batches==0.11", "celery[redis]<5.7"]),
    "arq": (2_000, ["arq==0.28.0", "httpx==0.28.*"]),
    "dramatiq": (2_000, ["dramatiq[redis]==2.2.1"]),
}
MAPPING = ["msgspec", "orjson", "pydantic", "pydantic-settings", "requests"]


def environment(name: str) -> Path:
    """The folder of a rival's programs."""
    folder = Path(os.environ.get("BENCH_RIVALS", ROOT / "bench" / ".rivals")) / name
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *RIVALS[name][1], *MAPPING], check=True)
        ready.touch()
    return folder / "bin"


def rival(setting: Setting, name: str, people: int) -> dict[str, float]:
    """Events a second and CPU microseconds an event of one of them, from a queue that is full before it starts."""
    count, binaries = RIVALS[name][0], environment(name)
    setting.redis.flushall()
    done = setting.path / f"done-{name}"
    done.write_bytes(b"")
    raws = setting.path / f"raws-{name}"
    raws.write_bytes(b"\n".join(event(n, people) for n in range(count)))
    setting.env |= {"BENCH_DONE": str(done), "BENCH_BROKER": setting.url.replace("/0", "/1")}
    code = f"from bench.rival_{name} import send\nsend(open({str(raws)!r}).read().splitlines())"
    subprocess.run([str(binaries / "python"), "-c", code], env=setting.env, cwd=ROOT, check=True)
    commands = {
        "celery_batches": [
            *("celery", "--app", "bench.rival_celery_batches", "worker", "--concurrency", "1"),
            *("--without-mingle", "--without-gossip"),
        ],
        "arq": ["arq", "bench.rival_arq.WorkerSettings"],
        "dramatiq": ["dramatiq", "--processes", "1", "--threads", "8", "bench.rival_dramatiq"],
    }
    program, *arguments = commands[name]
    worker = setting.start(*own_core(str(binaries / program), *arguments))
    while not (first := done.stat().st_size):
        if worker.poll() is not None:
            raise SystemExit((setting.path / "log").read_text()[-3000:])
        time.sleep(0.002)
    began, cpu = time.perf_counter(), cpu_s(worker)
    while done.stat().st_size < count:
        time.sleep(0.01)
    took, used = time.perf_counter() - began, cpu_s(worker) - cpu
    kill_tree(worker)
    return {"events_per_s": (count - first) / took, "cpu_us_per_event": used / (count - first) * 1e6}


def main() -> None:
    """Each once."""
    with onlookers(), Setting() as setting:
        for name in RIVALS:
            print(name, json.dumps(rival(setting, name, 500)), flush=True)


if __name__ == "__main__":
    main()
