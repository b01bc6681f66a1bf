"""Replicas of Redis: what they may lack, and whether those that must confirm an event before its 200 can."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import redis

from worker.machine.serverfacts import Fact, Level


def judge_replicas(
    info: Mapping[str, Any],
    needed: int,
    *,
    remember_s: float,
    on_disk: bool,
    ask: Callable[[str, int], Mapping[str, str] | None],
) -> Iterator[Fact]:
    """What a primary's `INFO` says of its replicas, of which `needed` must confirm.

    `remember_s`: for how long the web door remembers what it accepted.
    `ask` gives a replica's `appendonly` and `appendfsync`, by host and port; None: it does not say.
    """
    online = [one for one in _replicas(info) if one.get("state") == "online"]
    if not needed:
        if online:
            yield _lagging(remember_s)
        return
    at = {(str(one["ip"]), int(one["port"])) for one in online}
    if len(at) < needed:
        text = f"{len(at)} online, and RELAY_REPLICAS_ACK={needed} must confirm: ingest answers 503"
        yield _fact("wrong", text, "start the replicas, or lower RELAY_REPLICAS_ACK")
        return
    if not on_disk:
        yield _fact("ok", f"{len(at)} online, {needed} must confirm")
        return
    told = [(f"{host}:{port}", ask(host, port)) for host, port in sorted(at)]
    faults = [fault for where, config in told for fault in _disk(where, config)]
    yield from faults
    if not faults:
        yield _fact("ok", f"{len(at)} online, {needed} must confirm; each write is on their disks at once")


def _lagging(remember_s: float) -> Fact:
    text = "they lag behind, and no 200 waits for them: what the one that takes over lacks"
    if not remember_s:
        return _fact("warning", f"{text} is lost (RELAY_REMEMBER_S=0)", "unset RELAY_REMEMBER_S")
    return _fact("ok", f"{text}, the web door gives back (RELAY_REMEMBER_S); RELAY_REPLICAS_ACK=1 waits for one")


def _replicas(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # redis-py reads `slave0:ip=…,port=…` as a mapping
    return [one for name, one in info.items() if name[:5] == "slave" and name[5:].isdigit() and isinstance(one, dict)]


def _disk(where: str, config: Mapping[str, str] | None) -> Iterator[Fact]:
    host, _, port = where.rpartition(":")
    change = f"redis-cli -h {host} -p {port} CONFIG SET"
    if config is None:
        yield _fact("warning", f"{where} does not say how often it writes to its disk", "ask who runs it")
    elif config.get("appendonly") != "yes":
        text = f"{where} has no append-only file, so it never confirms (RELAY_REPLICAS_ACK_DISK)"
        yield _fact("wrong", text, f"{change} appendonly yes")
    elif config.get("appendfsync") != "always":
        text = (
            f"{where} writes to its disk once a second at most, and each 200 waits for that (RELAY_REPLICAS_ACK_DISK)"
        )
        yield _fact("warning", text, f"{change} appendfsync always, or unset RELAY_REPLICAS_ACK_DISK")


def appending(client: redis.Redis) -> Mapping[str, str] | None:
    """How a replica writes to its disk; None when it does not say."""
    found: dict[str, str] = {}
    try:
        for name in ("appendonly", "appendfsync"):
            answer: Any = client.config_get(name)
            found |= answer
    except (redis.RedisError, OSError):
        return None
    return {_text(name): _text(value) for name, value in found.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _fact(level: Level, text: str, remedy: str = "") -> Fact:
    return Fact("redis", "replicas", level, text, remedy)
