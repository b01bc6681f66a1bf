"""Redis server settings and what they mean here: what can be lost, and the command that changes it.

Pure: the facts are handed in as the server tells them (`INFO` and `CONFIG GET`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

# XINFO with lag, XGROUP SETID with ENTRIESREAD and scripts with flags came with Redis 7.0.
NEEDED = (7, 0)

Level = Literal["ok", "warning", "wrong"]


class Fact(msgspec.Struct, frozen=True):
    """One thing that was looked at. `remedy` is what to run or to write; empty when there is nothing to do."""

    area: str
    subject: str
    level: Level
    text: str
    remedy: str = ""


def judge_server(info: Mapping[str, Any], config: Mapping[str, str], max_memory_percent: float) -> list[Fact]:
    """The facts of a server. `config` lacks what the server does not tell (managed servers refuse CONFIG GET)."""
    return [*_version(info), *_role(info), *_persistence(info, config), *_memory(info, config, max_memory_percent)]


def _fact(subject: str, level: Level, text: str, remedy: str = "") -> Fact:
    return Fact("redis", subject, level, text, remedy)


def _version(info: Mapping[str, Any]) -> Iterator[Fact]:
    spoken = str(info.get("redis_version", "0"))
    parts = [int(part) if part.isdigit() else 0 for part in spoken.split(".")[:2]]
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {spoken}"
    if tuple(parts) < NEEDED:
        yield _fact(
            "version", "wrong", f"{name} is too old: its streams do not count what is read", "use Redis 7.0 or newer"
        )
    else:
        yield _fact("version", "ok", name)


def _role(info: Mapping[str, Any]) -> Iterator[Fact]:
    if info.get("role") not in {None, "master"}:
        yield _fact("role", "wrong", "a replica cannot store events", "point RELAY_REDIS_URL at the primary")
    if info.get("loading"):
        yield _fact("loading", "warning", "it still reads its data from disk; until then ingest answers 503")


def _persistence(info: Mapping[str, Any], config: Mapping[str, str]) -> Iterator[Fact]:
    if not info.get("aof_enabled"):
        lost = "everything since its start is lost"
        if save := config.get("save"):
            lost = f"what came since the last snapshot is lost, as its schedule (save {save}) has it"
        elif "save" not in config and info.get("rdb_last_save_time"):
            lost = "what came since the last snapshot is lost"
        text = f"off: when the server ends, {lost}, though it was answered with 200"
        yield _fact("append-only file", "wrong", text, _set("appendonly", "yes"))
    else:
        yield from _fsync(config.get("appendfsync"))
        if info.get("aof_last_write_status", "ok") != "ok":
            text = "the last write to the append-only file failed; new events are refused"
            yield _fact("append-only file", "wrong", text, "make room on its disk; the server's log says why")
    failed = info.get("rdb_last_bgsave_status", "ok") != "ok"
    if failed and config.get("stop-writes-on-bgsave-error", "yes") == "yes" and config.get("save", "?"):
        text = "the last snapshot failed, so the server refuses to store anything"
        yield _fact("snapshot", "wrong", text, "make room on its disk; the server's log says why")


def _fsync(policy: str | None) -> Iterator[Fact]:
    subject = "append-only file"
    match policy:
        case "always":
            yield _fact(
                subject, "ok", "on, each write is on disk before it is answered: nothing accepted is lost with it"
            )
        case "everysec":
            text = (
                "on, fsync every second: kill -9 loses nothing, a power cut the last second or two of accepted events"
            )
            yield _fact(subject, "warning", text, _set("appendfsync", "always"))
        case "no":
            text = "on, but the system alone decides when it reaches the disk: a power cut loses some 30 seconds"
            yield _fact(subject, "warning", text, _set("appendfsync", "always"))
        case _:
            text = "on; how often it reaches the disk is unknown (no right to CONFIG GET)"
            yield _fact(
                subject, "warning", text, "ask who runs the server for appendfsync always, or everysec at least"
            )


def _memory(info: Mapping[str, Any], config: Mapping[str, str], max_memory_percent: float) -> Iterator[Fact]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy = str(info.get("maxmemory_policy") or config.get("maxmemory-policy") or "")
    if policy not in {"", "noeviction"}:
        now = "" if most else " as soon as it has a maxmemory"
        text = f"{policy}: a full server throws away stored events and the books{now}"
        yield _fact("eviction", "wrong" if most else "warning", text, _set("maxmemory-policy", "noeviction"))
    else:
        yield _fact("eviction", "ok", "noeviction: a full server refuses new events and keeps the stored ones")
    total = int(info.get("total_system_memory", 0))
    if not most:
        room = f"the machine's {_size(total)}" if total else "the machine's memory"
        text = f"{_size(used)} used, no limit: past {room} the system kills it"
        advice = _set("maxmemory", f"{max(total * 6 // 10 >> 20, 64)}mb") if total else _set("maxmemory", "BYTES")
        yield _fact("memory", "warning", text, advice)
        return
    percent = used * 100 / most
    text = f"{_size(used)} of {_size(most)} used ({percent:.0f} %); ingest answers 503 from {max_memory_percent:g} % on"
    if percent >= max_memory_percent:
        yield _fact("memory", "wrong", text, "raise maxmemory, or lower RELAY_RETENTION_S")
    elif percent >= max_memory_percent * 0.75:
        yield _fact("memory", "warning", text, "raise maxmemory, or lower RELAY_RETENTION_S")
    else:
        yield _fact("memory", "ok", text)


def _set(name: str, value: str) -> str:
    # without CONFIG REWRITE the change is gone with the next restart
    return f"redis-cli CONFIG SET {name} {value} && redis-cli CONFIG REWRITE"


def _size(size_bytes: int) -> str:
    """A size for people.

    >>> _size(1536 * 1024 * 1024)
    '1.5 GB'
    """
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
