"""Topology of a Redis Cluster: which node has which slot, and which slot a command's keys are in."""

from collections.abc import Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError

Place = tuple[str, int]
"""Host and port of a node."""

SLOTS = 16_384

# Commands that name no key, and those whose keys are not their first argument alone.
_KEYLESS = frozenset(
    {"PING", "INFO", "TIME", "SCRIPT", "SCAN", "DBSIZE", "CONFIG", "CLUSTER", "COMMAND", "ACL", "CLIENT", "WAIT"}
    | {"FLUSHALL", "FLUSHDB", "BGREWRITEAOF", "BGSAVE", "LASTSAVE", "WAITAOF", "UNWATCH", "MULTI", "EXEC", "ECHO"}
)
_MANY = frozenset({"MGET", "DEL", "UNLINK", "EXISTS", "TOUCH", "WATCH"})
_SUB = frozenset({"XINFO", "XGROUP", "OBJECT", "MEMORY"})


class CrossSlotError(RedisError):
    """One command, or one transaction, names keys of several slots: a mistake in this program."""


def keys_of(command: Sequence[Any]) -> Sequence[Any]:
    """The keys that a command names.

    >>> keys_of(("XINFO GROUPS", "s")), keys_of(("XINFO", "GROUPS", "s")), keys_of(("EVALSHA", "sha", 1, "k", "arg"))
    (('s',), ('s',), ('k',))
    >>> keys_of(("MGET", "a", "b")), keys_of(("HGET", "k", "field")), keys_of(("TIME",))
    (('a', 'b'), ('k',), ())
    """
    name, *second = str(command[0]).upper().split()
    arguments = (*second, *command[1:])
    if name in {"EVAL", "EVALSHA"}:
        return arguments[2 : 2 + int(arguments[1])]
    if name in _KEYLESS:
        return ()
    if name in _MANY:
        return arguments
    return arguments[1:2] if name in _SUB else arguments[:1]


def slot_of(key: Any) -> int:
    """The slot of a key: that of the text in its first braces, if there is any."""
    slot: int = key_slot(key if isinstance(key, bytes) else str(key).encode())
    return slot


def slot_of_all(command: Sequence[Any]) -> int | None:
    """The one slot of a command's keys; None: it names none.

    Raises:
        CrossSlotError: there are several.
    """
    slots = {slot_of(key) for key in keys_of(command)}
    if len(slots) > 1:
        raise CrossSlotError(f"{command[0]} names keys of {len(slots)} slots")
    return slots.pop() if slots else None


def read_slots(reply: Sequence[Any], asked: Place) -> list[Place] | None:
    """The primary of each slot, out of the reply to CLUSTER SLOTS; None: some slot has none just now.

    A node that does not know its own host is where it was `asked`.
    """
    table: list[Place | None] = [None] * SLOTS
    for first, last, primary, *_ in reply:
        host = primary[0].decode() if isinstance(primary[0], bytes) else (primary[0] or "")
        place = (host if host not in {"", "?"} else asked[0], int(primary[1]))
        table[int(first) : int(last) + 1] = [place] * (int(last) - int(first) + 1)
    return None if None in table else [place for place in table if place]
