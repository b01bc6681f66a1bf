"""Appends to the streams from the web door: everything that waits goes out in one round trip."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import redis.asyncio
from redis import exceptions
from redis.exceptions import NoScriptError, RedisError, ResponseError

from worker.errors import NotStoredError
from worker.keys import shard_key
from worker.roundtrip import Command, encode, round_trip
from worker.stream import script

log = logging.getLogger(__name__)

# A script blocks the server: keep each below a few milliseconds.
_EVENTS_PER_SCRIPT = 200
_MEMORY_LOOK_S = 1.0
_YES = ord("1")


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One event on its way in: its source and shard, what makes it one event, and its bytes."""

    source: str
    shard: int
    key: str
    raw: bytes


class _Post:
    """The events of one request: when they came, how many have no answer yet, how many were new."""

    __slots__ = ("born_s", "done", "left", "new")

    def __init__(self, done: asyncio.Future[int], born_s: float, left: int) -> None:
        self.done = done
        self.born_s = born_s
        self.left = left
        self.new = 0

    def count(self, *, new: bool) -> None:
        """Note the answer to one event; the last one is the request's, if anyone still waits for it."""
        self.left -= 1
        self.new += new
        if not self.left and not self.done.done():
            self.done.set_result(self.new)

    def fail(self, reason: str) -> None:
        """The request cannot be answered with 200 any more."""
        if not self.done.done():
            self.done.set_exception(NotStoredError(reason))


_Lane = tuple[str, int]
_Items = list[tuple[Incoming, _Post]]


class Appender:
    """Coalesces appends: while one round trip is under way, what comes in is gathered for the next.

    One trip at a time, and one script a lane and trip: what a sender posts in order is stored in order. `prepare` is
    awaited before the first trip (and again until it succeeds); `wake` is called with (integration, shard) for each
    idle lane that got something, and must not block.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        integrations_of: dict[str, tuple[str, ...]],
        prepare: Callable[[], Awaitable[None]],
        wake: Callable[[str, int], None],
        *,
        wake_ms: int,
        dedup_window_s: int,
        timeout_s: float,
        max_memory_percent: float,
    ) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._integrations_of = integrations_of
        self._prepare: Callable[[], Awaitable[None]] | None = prepare
        self._wake = wake
        self._wake_ms = wake_ms
        self._bucket_s = max(1, dedup_window_s // 2)
        # a request waits for the trip under way and for its own
        self._trip_s = timeout_s / 2
        self._max_memory_percent = max_memory_percent
        self._text = script("append")
        self._sha = hashlib.sha1(self._text.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script
        self._lanes: dict[_Lane, _Items] = {}
        self._prefixes: dict[_Lane, tuple[int, tuple[int, bytes]]] = {}
        self._flushing: asyncio.Task[None] | None = None
        self._memory_looked_s = -_MEMORY_LOOK_S
        self._memory_full = False

    async def append(self, events: Sequence[Incoming]) -> int:
        """Store events; the number of them that were new.

        Raises:
            NotStoredError: at least one of them may not be stored; sending all again is safe.
        """
        if not events:
            return 0
        loop = asyncio.get_running_loop()
        post = _Post(loop.create_future(), loop.time(), len(events))
        for event in events:
            lane = (event.source, event.shard)
            waiting = self._lanes.get(lane)
            if waiting is None:
                self._lanes[lane] = [(event, post)]
            else:
                waiting.append((event, post))
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush())
        return await post.done

    async def probe(self) -> None:
        """Do all that an append does, without an event.

        Raises:
            NotStoredError: an append would not be stored either.
        """
        try:
            async with asyncio.timeout(self._trip_s):
                await self._make_ready()
                for reply in await self._run([self._command((source, 0), []) for source in self._integrations_of]):
                    if isinstance(reply, Exception):
                        raise reply
        except (RedisError, OSError) as fault:
            raise NotStoredError(refusal(fault)) from None

    async def _flush(self) -> None:
        while self._lanes:
            trip = self._board()
            try:
                async with asyncio.timeout(self._trip_s):
                    await self._make_ready()
                    replies = await self._run([self._command(lane, items) for lane, items in trip])
                for (lane, items), reply in zip(trip, replies, strict=True):
                    self._answer(lane, items, reply)
            except BaseException as fault:
                # whatever it is, nobody may be left without an answer
                self._give_up(trip, fault)
                if not isinstance(fault, Exception):
                    raise

    def _board(self) -> list[tuple[_Lane, _Items]]:
        """What goes with the next trip: of each lane, in order, as much as one script may carry."""
        trip = []
        for lane, waiting in list(self._lanes.items()):
            if len(waiting) <= _EVENTS_PER_SCRIPT:
                trip.append((lane, self._lanes.pop(lane)))
                continue
            if waiting[0][1].born_s < asyncio.get_running_loop().time() - self._trip_s:
                # a queue of several trips, and Redis so slow that its head would be answered too late
                _fail(self._lanes.pop(lane), "timeout")
                continue
            trip.append((lane, waiting[:_EVENTS_PER_SCRIPT]))
            del waiting[:_EVENTS_PER_SCRIPT]
        return trip

    async def _make_ready(self) -> None:
        if self._prepare is not None:
            await self._prepare()
            self._prepare = None
        await self._look_at_memory()

    async def _look_at_memory(self) -> None:
        """Stop short of maxmemory, so that wake-ups and settles keep room and a full server can drain."""
        now_s = time.monotonic()
        if now_s - self._memory_looked_s >= _MEMORY_LOOK_S:
            self._memory_looked_s = now_s
            info = await self._redis.info("memory")
            most = int(info.get("maxmemory", 0))
            self._memory_full = most > 0 and int(info.get("used_memory", 0)) * 100 > most * self._max_memory_percent
        if self._memory_full:
            raise NotStoredError("memory")

    async def _run(self, commands: list[Command]) -> list[Any]:
        replies = await round_trip(self._redis, commands)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            await self._redis.script_load(self._text)
            for index, reply in zip(
                missing, await round_trip(self._redis, [commands[i] for i in missing]), strict=True
            ):
                replies[index] = reply
        return replies

    def _command(self, lane: _Lane, items: _Items) -> Command:
        """The script's call, in Redis's protocol."""
        arguments, prefix = self._prefix(lane)
        command = [b"*%d\r\n" % (arguments + 2 * len(items)), prefix]
        for event, _ in items:
            digest = hashlib.blake2b(event.key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            command += (b"$16\r\n%b\r\n$%d\r\n" % (digest, len(event.raw)), event.raw, b"\r\n")
        return command

    def _prefix(self, lane: _Lane) -> tuple[int, bytes]:
        """A lane's command before its events, and the number of its arguments; anew with each set of seen ids."""
        bucket = int(time.time()) // self._bucket_s
        known = self._prefixes.get(lane)
        if known is not None and known[0] == bucket:
            return known[1]
        source, shard = lane
        integrations = self._integrations_of[source]
        keys = [shard_key(shard, "events", source)]
        keys += [f"{shard_key(shard, 'seen', source)}:{bucket - age}" for age in range(3)]
        keys.append(shard_key(shard, "intake", source))
        for integration in integrations:
            keys += [shard_key(shard, kind, integration) for kind in ("lease", "wake", "hold")]
        words: list[str | int] = [
            "EVALSHA",
            self._sha,
            len(keys),
            *keys,
            self._bucket_s * 3,
            self._wake_ms,
            len(integrations),
        ]
        prefix = (len(words), encode(words))
        self._prefixes[lane] = (bucket, prefix)
        return prefix

    def _answer(self, lane: _Lane, items: _Items, reply: Any) -> None:
        if isinstance(reply, Exception):
            self._give_up([(lane, items)], reply)
            return
        for (_, post), mark in zip(items, reply, strict=False):
            post.count(new=mark == _YES)
        source, shard = lane
        for integration, mark in zip(self._integrations_of[source], reply[len(items) :], strict=True):
            if mark == _YES:
                self._wake(integration, shard)

    def _give_up(self, trip: list[tuple[_Lane, _Items]], fault: BaseException) -> None:
        """Fail what was under way in these lanes, and what waits behind it: stored now, it would overtake."""
        reason = refusal(fault)
        if reason == "refused":
            log.error("append_refused fault=%s", type(fault).__name__)
        for lane, items in trip:
            _fail(items, reason)
            _fail(self._lanes.pop(lane, []), reason)


def _fail(items: _Items, reason: str) -> None:
    for _, post in items:
        post.fail(reason)


def refusal(fault: BaseException) -> str:
    """A fixed word for why Redis did not store."""
    if isinstance(fault, NotStoredError):
        return fault.reason
    for kinds, word in _KINDS:
        if isinstance(fault, kinds):
            return word
    if isinstance(fault, ResponseError) and str(fault).startswith("MISCONF"):
        return "disk"
    return "refused"


_KINDS: tuple[tuple[Any, str], ...] = (
    ((TimeoutError, exceptions.TimeoutError), "timeout"),
    (exceptions.OutOfMemoryError, "memory"),
    (exceptions.ReadOnlyError, "readonly"),
    (exceptions.BusyLoadingError, "loading"),
    (exceptions.AuthenticationError, "password"),
    ((exceptions.ConnectionError, OSError), "connection"),
    (asyncio.CancelledError, "stopping"),
)
