"""One round trip of appends: the script's calls, lane by lane, and their replies."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from zlib import crc32

import msgspec
import redis.asyncio
from redis.exceptions import NoPermissionError, NoScriptError, RedisError

from worker.errors import NotStoredError
from worker.ingest.roundtrip import Command, Line, encode, refusal, round_trip
from worker.purchasely.event import CONFLICT_MARK
from worker.store.dedup import bucket_s, id_digest, tables
from worker.store.keys import shard_key
from worker.store.stream import script

_MEMORY_LOOK_S = 1.0

# A source and a shard.
InLane = tuple[str, int]


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One event on its way in: its source and shard, its id, what else makes it the same event, and its bytes."""

    source: str
    shard: int
    key: str
    about: str
    raw: bytes


# Each event is as many pieces of the command, and arguments of the script.
PIECES, ARGUMENTS = 2, 3


def encode_events(events: Sequence[Incoming]) -> dict[InLane, list[bytes]]:
    """The script's arguments for each lane's events, in order; each piece continues the protocol line before it."""
    lanes: dict[InLane, list[bytes]] = {}
    for event in events:
        raw = event.raw
        digest = id_digest(event.key)
        lane = (event.source, event.shard)
        pieces = lanes.get(lane)
        if pieces is None:
            lanes[lane] = pieces = []
        # whoever sends the same id on purpose may as well send the same event: four bytes are enough
        about = crc32(event.about.encode()).to_bytes(4)
        pieces += (b"\r\n$16\r\n%b\r\n$4\r\n%b\r\n$%d\r\n" % (digest, about, len(raw)), raw)
    return lanes


class Storing:
    """Stores events, each once. `prepare` is awaited before the first trip, and again until it succeeds."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        integrations_of: dict[str, tuple[str, ...]],
        prepare: Callable[[], Awaitable[None]],
        *,
        wake_ms: int,
        dedup_window_s: int,
        max_memory_percent: float,
    ) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._line = Line(client)
        self._integrations_of = integrations_of
        self._prepare: Callable[[], Awaitable[None]] | None = prepare
        self._wake_ms = wake_ms
        self._bucket_s = bucket_s(dedup_window_s)
        self._max_memory_percent = max_memory_percent
        self._text = script("append")
        self._sha = hashlib.sha1(self._text.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script
        self._prefixes: dict[InLane, tuple[int, tuple[int, bytes]]] = {}
        self._memory_looked_s = -_MEMORY_LOOK_S
        self._memory_full = False

    def adopt(self, integrations_of: dict[str, tuple[str, ...]]) -> None:
        """Check the wake and hold marks of these integrations from the next trip on."""
        self._integrations_of = integrations_of
        self._prefixes.clear()

    async def store(self, lanes: Sequence[tuple[InLane, list[bytes]]]) -> list[Any]:
        """The script's answer for each lane's encoded events, in order, errors among them as values: see `append.lua`.

        An answer of any other form is an error: it does not prove that the events are stored.

        Raises:
            NotStoredError: nothing was tried.
            redis.RedisError: no answer; the events may be stored.
            OSError: likewise.
        """
        if self._prepare is not None:
            await self._prepare()
            self._prepare = None
        await self._look_at_memory()
        commands = [self._command(lane, pieces) for lane, pieces in lanes]
        replies = await round_trip(self._line, commands)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            await self._redis.script_load(self._text)
            again = await round_trip(self._line, [commands[index] for index in missing])
            for index, reply in zip(missing, again, strict=True):
                replies[index] = reply
        for index, ((source, _), pieces) in enumerate(lanes):
            marks = len(pieces) // PIECES + len(self._integrations_of[source])
            if not _is_expected(replies[index], marks):
                # what comes next on this connection may belong to another command
                await self._line.hang_up()
                replies[index] = NotStoredError("unexpected_reply")
        return replies

    async def probe(self) -> None:
        """Do all that storing does, without an event.

        Raises:
            NotStoredError: an event would not be stored either.
        """
        try:
            for reply in await self.store([((source, 0), []) for source in self._integrations_of]):
                if isinstance(reply, Exception):
                    raise reply
        except (RedisError, OSError) as fault:
            raise NotStoredError(refusal(fault)) from None

    async def _look_at_memory(self) -> None:
        """Stop short of maxmemory, so that wake-ups and settles keep room and a full server can drain."""
        now_s = time.monotonic()
        if now_s - self._memory_looked_s >= _MEMORY_LOOK_S:
            try:
                info = await self._redis.info("memory")
            except NoPermissionError:  # this user may not ask: a full server refuses the events by itself
                info = {"used_memory": 0}
            if type(info.get("used_memory")) is not int:
                await self._line.hang_up()
                raise NotStoredError("unexpected_reply")
            most = int(info.get("maxmemory", 0))
            self._memory_looked_s = now_s
            self._memory_full = most > 0 and int(info.get("used_memory", 0)) * 100 > most * self._max_memory_percent
        if self._memory_full:
            raise NotStoredError("memory")

    def _command(self, lane: InLane, pieces: list[bytes]) -> Command:
        """The script's call, in Redis's protocol."""
        arguments, prefix = self._prefix(lane)
        return [b"*%d\r\n" % (arguments + len(pieces) // PIECES * ARGUMENTS), prefix, *pieces, b"\r\n"]

    def _prefix(self, lane: InLane) -> tuple[int, bytes]:
        """A lane's command before its events, without its last line's end, and the number of its arguments.

        Made once for each table of ids.
        """
        bucket = int(time.time()) // self._bucket_s
        known = self._prefixes.get(lane)
        if known is not None and known[0] == bucket:
            return known[1]
        source, shard = lane
        integrations = self._integrations_of.get(source, ())
        keys = [shard_key(shard, "events", source)]
        keys += [table for kind in ("ids", "seen") for table in tables(shard, kind, source, bucket)]
        keys.append(shard_key(shard, "intake", source))
        for integration in integrations:
            keys += [shard_key(shard, kind, integration) for kind in ("lease", "wake", "hold")]
        settings: list[str | int] = [self._bucket_s * 3, self._wake_ms, len(integrations), CONFLICT_MARK.decode()]
        prefix = (3 + len(keys) + len(settings), encode(["EVALSHA", self._sha, len(keys), *keys, *settings])[:-2])
        self._prefixes[lane] = (bucket, prefix)
        return prefix


def _is_expected(reply: Any, marks: int) -> bool:
    """Whether it is an error, or has exactly the form of `append.lua`'s answer."""
    if type(reply) is bytes:
        return len(reply) == marks and not reply.strip(b"01")
    return isinstance(reply, Exception)
