"""The drill: fail-overs to replicas that lag behind, while events flow, and what became of the events."""

import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import redis

from tests.support.payloads import payload
from tests.support.sentinels import SentinelSet
from tests.support.servers import OwnRedis
from tests.support.stack import TOKEN, Stack
from tests.support.traffic import CONNECTIONS, Traffic
from tests.support.waiting import elapse, until

PEOPLE = 10 * CONNECTIONS  # each has one connection, so one event is answered before the next one is posted

_LAG_BYTES = 1_000_000


@dataclass
class Drill:
    """What some fail-overs came to.

    `back_s`: from each kill to the first answer to a post that was begun after it. `unexplained` are events that were
    answered with 200 and are neither in the books nor counted as lost. `disordered` people got events out of order.
    `shards` is how many there are in the end.
    """

    accepted: int
    lost: int
    doubled: int
    disordered: int
    redis_lost: int
    restored: int
    unexplained: int
    back_s: list[float]
    statuses: dict[Any, int]
    reasons: dict[str, int]
    findings: list[str]
    waiting: int
    shards: int
    exits: dict[str, int] = field(default_factory=dict)
    log_lines: dict[str, int] = field(default_factory=dict)


def event(number: int, size_bytes: int) -> tuple[str, bytes]:
    """An event's id and bytes; a person has several events."""
    found = payload("SUBSCRIPTION_RENEWED", user_id=f"user-{number % PEOPLE}") | {"event_id": f"drill-{number}"}
    raw = orjson.dumps(found)
    found["content_id"] = "x" * max(0, size_bytes - len(raw))
    return found["event_id"], orjson.dumps(found)


def drill(
    folder: Path,
    failovers: int,
    rate: float = 500,
    frozen_s: float = 5.0,
    size_bytes: int = 3000,
    command: str = "",
    until_in: Callable[[redis.Redis], object] = lambda _: True,
    **env: str,
) -> Drill:
    """Run a whole relay over a set of servers under Sentinels, and kill the primary so many times.

    A `command` is begun before each kill, which comes when the primary alone has what `until_in` looks for; it must
    end well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    servers = SentinelSet(folder)
    stack = Stack(folder / "stack", servers.url, **{"RELAY_LEASE_S": "2", **env})
    traffic = Traffic([stack.web_port], TOKEN, lambda number: event(number, size_bytes), rate)
    try:
        servers.start()
        stack.start()
        traffic.start()
        until(lambda: len(traffic.accepted) > rate, "events flow")

        def begin(primary: OwnRedis) -> None:
            if command:
                stack.spawn("command", command)
                with redis.Redis(port=primary.port) as client:
                    until(lambda: until_in(client), "the command is there", within_s=120, every_s=0.002)

        back_s = [_fail_over(servers, traffic, frozen_s, begin) for _ in range(failovers)]
        if command:
            assert stack.processes["command"].wait(120) == 0, stack.log("command")
            stack.parts.look_at_layout()
        elapse(1)
        traffic.stop()
        return _judge(stack, traffic, back_s)
    finally:
        stack.stop()
        servers.stop()


def _fail_over(servers: SentinelSet, traffic: Traffic, frozen_s: float, begin: Callable[[OwnRedis], None]) -> float:
    """Freeze the replicas until they lag, kill the primary, let them go on; how long ingest was away, seconds."""
    primary = servers.primary()
    replicas = servers.freeze()
    elapse(frozen_s)
    until(lambda: servers.lags(primary, _LAG_BYTES), "replicas lag behind", within_s=60)
    begin(primary)
    primary.kill()
    killed_s = time.monotonic()
    for one in replicas:
        one.send_signal(signal.SIGCONT)
    back_s = until(lambda: traffic.first_after(killed_s), "ingest is back", within_s=60)
    primary.follow(servers.primary())
    primary.start()
    servers.until_whole()
    return back_s


def _judge(stack: Stack, traffic: Traffic, back_s: list[float]) -> Drill:
    until(lambda: stack.account.waiting == 0, "nothing waits", within_s=120, every_s=0.5)
    arrived = [one["attributes"]["event_id"] for one in stack.arrived()]
    effects = Counter(arrived)
    until(lambda: not any(stack.parts.redis.keys("relay:{*}:lease:*")), "nobody is at work")
    (source,) = orjson.loads(stack.relay("status", "--json").stdout)["sources"]
    lines = [line.split() for name in stack.processes for line in stack.log(name).splitlines()]
    logs = Counter(line[3] for line in lines if len(line) > 3)
    return Drill(
        accepted=len(traffic.accepted),
        lost=len(traffic.accepted - effects.keys()),
        doubled=sum(count > 1 for count in effects.values()),
        disordered=_disordered(arrived),
        redis_lost=source["lost"],
        restored=source["restored"],
        unexplained=max(0, len(traffic.accepted) - source["accepted"] - source["lost"] + source["restored"]),
        back_s=back_s,
        statuses=dict(traffic.statuses),
        reasons=dict(traffic.reasons),
        findings=stack.findings,
        waiting=stack.account.waiting,
        shards=stack.parts.layout.shards,
        exits={name: code for name, one in stack.processes.items() if (code := one.poll()) is not None},
        log_lines=dict(logs.most_common(12)),
    )


def _disordered(arrived: list[str]) -> int:
    """How many people's events came in another order than they were answered in."""
    found: dict[int, list[int]] = defaultdict(list)
    for event_id in arrived:
        number = int(event_id.removeprefix("drill-"))
        found[number % PEOPLE].append(number)
    return sum(numbers != sorted(numbers) for numbers in found.values())
