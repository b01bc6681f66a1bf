"""The server behind a connection of the web door: which one it is, whether it takes writes, how full it is."""

import hashlib
from typing import Any

import msgspec
from redis.exceptions import NoPermissionError, ResponseError

from worker.errors import NotStoredError
from worker.ingest.roundtrip import encode, exchange

_ASK = [b"*4\r\n", encode(["INFO", "server", "replication", "memory"])]
_REPLICA = frozenset({"slave", "replica"})


class Server(msgspec.Struct, frozen=True):
    """What INFO says. `name` changes with the process and with its history (another primary); empty: it does not say.

    `process` stays when a replica comes to it, which is a new history as well; empty: it was a replica before.
    `used_bytes` of `most_bytes` memory is in use; without a limit, `most_bytes` is 0.
    """

    name: bytes = b""
    process: bytes = b""
    role: str = "master"
    used_bytes: int = 0
    most_bytes: int = 0

    def check(self) -> None:
        """Refuse a server that takes no writes.

        Raises:
            NotStoredError: it is a replica.
        """
        if self.role in _REPLICA:
            raise NotStoredError("readonly")

    def is_over(self, percent: float) -> bool:
        """Whether more than this share of its memory is in use."""
        return self.most_bytes > 0 and self.used_bytes * 100 > self.most_bytes * percent


async def read_server(connection: Any) -> Server:
    """Ask the server.

    Raises:
        NotStoredError: it answers nonsense; the connection is closed then.
        redis.RedisError: it does not answer.
    """
    (reply,) = await exchange(connection, [_ASK])
    if isinstance(reply, NoPermissionError):  # a full server refuses events by itself
        return Server()
    if isinstance(reply, ResponseError):
        raise reply
    found = _fields(reply) if type(reply) is bytes else {}
    try:
        run, history = found.get("run_id", ""), found.get("master_replid", "")
        name = hashlib.blake2b(f"{run} {history}".encode(), digest_size=8).hexdigest().encode() if run else b""
        process = run.encode() if set(found.get("master_replid2", "")) == {"0"} else b""
        used, most = int(found["used_memory"]), int(found.get("maxmemory", 0))
        return Server(name, process, found.get("role", "master"), used, most)
    except (KeyError, ValueError):
        await connection.disconnect()
        raise NotStoredError("unexpected_reply") from None


def _fields(reply: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    return {name: value.strip() for name, found, value in pairs if found}
