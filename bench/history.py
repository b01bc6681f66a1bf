"""How long it takes to ask the past: an event by its id, by its ULID, with its person; a person's timeline.

python -m bench.history [EVENTS]      1,000,000 settled events of 1.1 kB on 16 shards by default

They were received in the last three days, two seconds after they happened. One is late: it came a week after it
happened, and nearly everything is read before it is found. Modules are compiled, as in an installed wheel. What any
command costs on this machine just now is measured beside it. BENCH_PYTHON measures another environment, such as one
without development tools.
"""

import os
import subprocess
import sys
import time
import zlib

import orjson
import redis

from bench.delivery import join
from bench.setting import ROOT, Setting, event, person_of
from config.settings import Settings
from worker.mapping.operation import ulid
from worker.store.dedup import bucket_s, id_digest, tables
from worker.store.trail import Run, encode_record

PEOPLE = 300_000
RETAINED_MS, SOON_MS, LATE_MS = 259_200_000, 2000, 7 * 86_400_000
PYTHON = os.environ.get("BENCH_PYTHON", sys.executable)


def made(number: int, at_ms: int) -> bytes:
    """An event that happened at this time."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000))
    return orjson.dumps(
        orjson.loads(event(number, PEOPLE))
        | {"event_created_at_ms": at_ms, "event_created_at": f"{seconds}.{at_ms % 1000:03}Z"}
    )


def fill(client: redis.Redis, count: int, shards: int) -> tuple[bytes, bytes]:
    """Settled events with their ids and trail, as the web door and the workers leave them; two to be asked for."""
    pipe = client.pipeline(transaction=False)
    bucket = int(time.time()) // bucket_s(Settings().dedup_window_s)
    began_ms = time.time_ns() // 1_000_000 - RETAINED_MS
    chosen, late = b"", b""
    for first in range(0, count, 3):  # three events for one fact, received and settled together
        at_ms = began_ms + RETAINED_MS * first // count
        shard = zlib.crc32(f"user-{person_of(first, PEOPLE)}".encode()) % shards
        numbers = range(first, min(first + 3, count))
        for number in numbers:
            is_late = number == 3  # nearly the oldest: all of them are read
            raw = made(number, at_ms - (LATE_MS if is_late else SOON_MS))
            chosen, late = raw if number == count * 2 // 3 else chosen, raw if is_late else late
            pipe.xadd(f"relay:{{{shard}}}:events:app", {"b": raw}, id=f"{at_ms}-{number - first}")
            digest = id_digest(f"a2430cab-b56f-45d6-9268-{number:012d}")
            pipe.hset(tables(shard, "ids", "app", bucket)[0], digest, b"\0\0\0\0")  # type: ignore[arg-type]
        run = Run((at_ms, 0), (at_ms, len(numbers) - 1), 1, 200, 1, 20, b"\x01" * len(numbers))
        pipe.xadd(f"relay:{{{shard}}}:trail:production", {"b": encode_record(run)}, id=f"{at_ms + 30}-0")
        if first % 2000 < 3:
            pipe.execute()
    pipe.execute()
    for shard in range(shards):
        client.xgroup_setid(f"relay:{{{shard}}}:events:app", "production", "$")
    return chosen, late


def timed(setting: Setting, code: str, *arguments: str) -> float:
    """Seconds of a command, start of Python included."""
    env = {name: text for name, text in setting.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(setting.path / "compiled")
    began = time.perf_counter()
    command = [PYTHON, "-c", code, *arguments]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0 or b"no-such-id" in done.stderr, done.stderr
    return time.perf_counter() - began


def questions(chosen: bytes, late: bytes) -> dict[str, list[str]]:
    """Commands, by what they ask."""
    payload, tardy = orjson.loads(chosen), orjson.loads(late)
    ident, person, at_ms = payload["event_id"], payload["user_id"], payload["event_created_at_ms"]
    about = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at_ms / 1000 + 600))
    return {
        "trace by id": ["trace", ident],
        "trace by ULID": ["trace", ulid(at_ms, ident)],
        "trace by ULID, a week late": ["trace", ulid(tardy["event_created_at_ms"], tardy["event_id"])],
        "trace by an id never received": ["trace", "no-such-id"],
        "trace by id and person": ["trace", ident, "--person", person],
        "trace by id and time": ["trace", ident, "--at", about],
        "person": ["person", person],
        "nothing (relay --help)": ["--help"],
    }


def history(count: int = 1_000_000) -> dict[str, float]:
    """Seconds of each question; the least of seven."""
    with Setting(port=8493, own_sink=False, shards=16) as setting:
        join(setting)
        asked = questions(*fill(setting.redis, count, setting.shards))
        found = {
            name: min(timed(setting, "from worker.cli import main; main()", *words) for _ in range(7))
            for name, words in asked.items()
        }
        return found | {"nothing (python -c pass)": min(timed(setting, "pass") for _ in range(7))}


if __name__ == "__main__":
    for question, took_s in history(*[int(one) for one in sys.argv[1:]]).items():
        print(f"{question:30} {took_s:6.2f} s")
