"""How long it takes to ask the past: an event by its id, by its ULID, with its person; a person's timeline.

python -m bench.history [EVENTS]      1,000,000 settled events of 1.1 kB on 16 shards by default

Modules are compiled, as in an installed wheel. What any command costs on this machine just now is measured beside it.
"""

import subprocess
import sys
import time
import zlib

import redis

from bench.delivery import join
from bench.setting import ROOT, Setting, event, person_of
from config.settings import Settings
from worker.mapping.operation import ulid
from worker.store.dedup import bucket_s, id_digest, tables
from worker.store.trail import Run, encode_record

PEOPLE = 300_000
BATCH = 280


def fill(client: redis.Redis, count: int, shards: int) -> None:
    """Settled events with their ids and their trail, as the web door and the workers leave them."""
    pipe = client.pipeline(transaction=False)
    bucket = int(time.time()) // bucket_s(Settings().dedup_window_s)
    for number in range(count):
        shard = zlib.crc32(f"user-{person_of(number, PEOPLE)}".encode()) % shards
        pipe.xadd(f"relay:{{{shard}}}:events:app", {"b": event(number, PEOPLE)})
        digest = id_digest(f"a2430cab-b56f-45d6-9268-{number:012d}")
        pipe.hset(tables(shard, "ids", "app", bucket)[0], digest, b"\0\0\0\0")  # type: ignore[arg-type]
        if number % 2000 == 1999:
            pipe.execute()
    pipe.execute()
    for shard in range(shards):
        key, first = f"relay:{{{shard}}}:events:app", "-"
        while rows := client.xrange(key, first, count=BATCH):
            places = [tuple(int(part) for part in row[0].split(b"-")) for row in rows]
            run = Run(places[0], places[-1], 1, 200, 1, 20, b"\x01" * len(rows))  # type: ignore[arg-type]
            # settled when the last of them was received, as far as the trail's order goes
            client.xadd(f"relay:{{{shard}}}:trail:production", {"b": encode_record(run)})
            first = f"({rows[-1][0].decode()}"
        client.xgroup_setid(key, "production", "$")


def timed(setting: Setting, code: str, *arguments: str) -> float:
    """Seconds of a command, start of Python included."""
    env = {name: text for name, text in setting.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = str(setting.path / "compiled")
    began = time.perf_counter()
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def history(count: int = 1_000_000) -> dict[str, float]:
    """Seconds of each question; the least of seven."""
    with Setting(port=8493, own_sink=False, shards=16) as setting:
        join(setting)
        fill(setting.redis, count, setting.shards)
        import orjson

        payload = orjson.loads(event(count * 2 // 3, PEOPLE))
        ident, person = payload["event_id"], payload["user_id"]
        ulid_seen = ulid(payload["event_created_at_ms"], ident)
        questions = {
            "trace by id": ["trace", ident],
            "trace by ULID": ["trace", ulid_seen],
            "trace by id and person": ["trace", ident, "--person", person],
            "trace by id and time": ["trace", ident, "--at", "1m"],
            "person": ["person", person],
            "nothing (relay --help)": ["--help"],
        }
        found = {
            name: min(timed(setting, "from worker.cli import main; main()", *words) for _ in range(7))
            for name, words in questions.items()
        }
        return found | {"nothing (python -c pass)": min(timed(setting, "pass") for _ in range(7))}


if __name__ == "__main__":
    for question, took_s in history(*[int(one) for one in sys.argv[1:]]).items():
        print(f"{question:28} {took_s:6.2f} s")
