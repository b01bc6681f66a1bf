"""Dead letters by the hundred thousand: how long on-call waits, and a replay that loses its worker on the way.

    python -m bench.dead_letters [--letters 100000] [--rate 2000] [--shards 16]

Of the letters, one in five is replayed, at a set rate, by real workers against the simulator; the worker is killed with
SIGKILL in the middle. Then the rest that passes is replayed as fast as it goes.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import redis

from bench.setting import SAMPLE, machine
from tests.support.deadseed import seed
from tests.support.servers import OwnRedis
from tests.support.stack import Stack
from tests.support.waiting import until


def timed(stack: Stack, *command: str, rounds: int = 1) -> tuple[float, str]:
    """The median seconds of a command, and what it printed last."""
    took, output = [], ""
    for _ in range(rounds):
        began = time.perf_counter()
        ran = stack.relay(*command)
        took.append(time.perf_counter() - began)
        if ran.returncode:
            raise SystemExit(f"relay {' '.join(command)}: {ran.stdout}{ran.stderr}")
        output = ran.stdout
    return statistics.median(took), output


def commands(stack: Stack) -> None:
    """What on-call types first."""
    for command in (
        ["dead"],
        ["dead", "list"],
        ["dead", "list", "--status", "400", "--since", "3h"],
        ["dead", "list", "--person", "user-77"],
        ["dead", "list", "--where", "plan = nothing like it"],
        ["dead", "replay", "--status", "400", "--dry-run"],
        ["dead", "replay", "--all", "--fixed", "--dry-run"],
        ["dead", "export", "--output", "/dev/null"],
    ):
        took_s, _ = timed(stack, *command, rounds=5 if command in (["dead"], ["dead", "list"]) else 1)
        print(f"  relay {' '.join(command):<60} {took_s:6.2f} s", flush=True)


def replay(stack: Stack, filters: list[str], rate: int, *, kill: bool) -> None:
    """A replay, with or without the death of its worker."""
    before = len(stack.arrived())
    began = time.perf_counter()
    _, output = timed(stack, "dead", "replay", *filters, "--rate", str(rate), "--yes", "--no-wait", "--json")
    started = time.perf_counter()
    job = json.loads(output)["job"]
    if kill:
        until(lambda: len(stack.arrived()) - before > job["matched"] // 4, "a quarter is replayed", within_s=120)
        stack.kill("worker")
        time.sleep(1)
        stack.start("worker")
    ran = stack.relay("jobs", "show", job["id"], "--wait", "--json")
    took_s = time.perf_counter() - started
    job = json.loads(ran.stdout)
    arrived = stack.arrived()
    unique = len({event["id"] for event in arrived})
    print(
        f"  {job['matched']:,} letters, asked for in {started - began:.1f} s, replayed in {took_s:.1f} s: "
        f"{job['state']}, {job['counts']}, at the simulator {len(arrived) - before:,}, {len(arrived) - unique} twice"
    )
    if ran.returncode or len(arrived) - before != job["matched"] or len(arrived) != unique:
        raise SystemExit("not each exactly once")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--shards", type=int, default=16)
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as folder:
        server = OwnRedis(Path(folder) / "server", {"appendfsync": "everysec"})
        server.start()
        url = server.url
        stack = Stack(Path(folder), url, RELAY_SHARDS=str(chosen.shards), RELAY_LOG_LEVEL="WARNING")
        try:
            stack.start("simulator", "worker", "beat")
            with redis.Redis.from_url(url) as client:
                until(lambda: client.exists("relay:shards"), "the worker has joined")
                began = time.perf_counter()
                seed(client, chosen.letters, chosen.shards, people=20_000, **SAMPLE)
                used = client.info("memory")["used_memory_human"]
            print(
                f"{chosen.letters:,} letters of six causes in {time.perf_counter() - began:.0f} s; Redis holds {used}"
            )
            commands(stack)
            print(f"replay of one cause at {chosen.rate} a second, the worker killed on the way:")
            replay(stack, ["--status", "400"], chosen.rate, kill=True)
            print("replay of all that passes, without a limit:")
            replay(stack, ["--all", "--fixed"], 0, kill=False)
            print(stack.relay("audit").stdout.strip())
        finally:
            stack.stop()
            server.stop()


if __name__ == "__main__":
    main()
