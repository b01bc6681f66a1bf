"""Servers of a test that refuse all writes for a while: how each state begins and ends."""

import threading
from collections.abc import Callable
from contextlib import suppress

import redis

from tests.support.servers import OwnRedis
from tests.support.waiting import until

Act = Callable[[OwnRedis], object]


def _command(*words: str) -> Act:
    def act(server: OwnRedis) -> None:
        with redis.Redis(port=server.port) as client:
            client.execute_command(*words)

    return act


def _fail_to_save(server: OwnRedis) -> None:
    """Its snapshot would replace a folder: it says MISCONF to whatever is written."""
    (server.folder / "dump.rdb").mkdir()
    with redis.Redis(port=server.port) as client:
        client.config_set("save", "3600 1")
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "it failed")


def _run_for_ever(server: OwnRedis) -> None:
    """A script of somebody else's."""

    def run() -> None:
        with suppress(redis.RedisError), redis.Redis(port=server.port, socket_timeout=60) as client:
            client.eval("while true do end", 0)

    _command("CONFIG", "SET", "busy-reply-threshold", "50")(server)
    threading.Thread(target=run, daemon=True).start()
    until(lambda: _answer(server).startswith("BUSY"), "it is busy")


def _answer(server: OwnRedis) -> str:
    try:
        with redis.Redis(port=server.port, socket_timeout=5) as client:
            return str(client.ping())
    except redis.RedisError as fault:
        return str(fault)


# By the door's word for it.
REFUSING: dict[str, tuple[Act, Act]] = {
    "readonly": (_command("REPLICAOF", "127.0.0.1", "1"), _command("REPLICAOF", "NO", "ONE")),
    "replicas": (
        _command("CONFIG", "SET", "min-replicas-to-write", "1"),
        _command("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "disk": (_fail_to_save, _command("CONFIG", "SET", "save", "")),
    "busy": (_run_for_ever, _command("SCRIPT", "KILL")),
    "memory": (_command("CONFIG", "SET", "maxmemory", "1000"), _command("CONFIG", "SET", "maxmemory", "0")),
}
