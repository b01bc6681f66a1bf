"""Appends to the streams from the web door: everything that waits goes out in one round trip."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

from worker.errors import NotStoredError
from worker.keys import shard_key
from worker.stream import script

_EVENTS_PER_SCRIPT = 200  # a script blocks the server: keep each below a few milliseconds
_MEMORY_LOOK_S = 1.0


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One event on its way in: its source and shard, what makes it one event, and its bytes."""

    source: str
    shard: int
    key: str
    raw: bytes


class Appender:
    """Coalesces appends: while one round trip is under way, what comes in is gathered for the next.

    `wake` is called with (integration, shard) for each idle lane that got something.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        integrations_of: dict[str, tuple[str, ...]],
        wake: Callable[[str, int], None],
        *,
        wake_ms: int,
        dedup_window_s: int,
        timeout_s: float,
        max_memory_percent: float,
    ) -> None:
        self._redis: Any = client  # redis-py types every reply as a union of all that a command may answer
        self._integrations_of = integrations_of
        self._wake = wake
        self._wake_ms = wake_ms
        self._bucket_s = max(1, dedup_window_s // 2)
        self._timeout_s = timeout_s
        self._max_memory_percent = max_memory_percent
        self._text = script("append")
        self._sha = hashlib.sha1(self._text.encode()).hexdigest()  # noqa: S324 - the name Redis gives a script
        self._waiting: list[tuple[Incoming, asyncio.Future[bool]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._memory_looked = -_MEMORY_LOOK_S
        self._memory_full = False

    async def append(self, events: Sequence[Incoming]) -> int:
        """Store events; the number of them that were new.

        Raises:
            NotStoredError: at least one of them may not be stored; sending all again is safe.
        """
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in events]
        self._waiting += zip(events, futures, strict=True)
        if self._flushing is None or self._flushing.done():
            self._flushing = loop.create_task(self._flush())
        if len(futures) == 1:
            return int(await futures[0])
        results = await asyncio.gather(*futures, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return sum(1 for result in results if result)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._look_at_memory()
                    await self._store(batch)
            except (RedisError, OSError, TimeoutError, NotStoredError) as fault:
                error = fault if isinstance(fault, NotStoredError) else NotStoredError(refusal(fault))
                _fail(batch, error)

    async def _look_at_memory(self) -> None:
        """Stop short of maxmemory, so that wake-ups and settles keep room and a full server can drain."""
        now = time.monotonic()
        if now - self._memory_looked >= _MEMORY_LOOK_S:
            self._memory_looked = now
            info = await self._redis.info("memory")
            most = int(info.get("maxmemory", 0))
            self._memory_full = most > 0 and int(info["used_memory"]) * 100 > most * self._max_memory_percent
        if self._memory_full:
            raise NotStoredError("memory")

    async def _store(self, batch: list[tuple[Incoming, asyncio.Future[bool]]]) -> None:
        groups: dict[tuple[str, int], list[tuple[Incoming, asyncio.Future[bool]]]] = {}
        for item in batch:
            groups.setdefault((item[0].source, item[0].shard), []).append(item)
        runs = [
            (lane, items[start : start + _EVENTS_PER_SCRIPT])
            for lane, items in groups.items()
            for start in range(0, len(items), _EVENTS_PER_SCRIPT)
        ]
        replies = await self._run([self._command(lane, items) for lane, items in runs])
        for ((source, shard), items), reply in zip(runs, replies, strict=True):
            if isinstance(reply, Exception):
                _fail(items, NotStoredError(refusal(reply)))
                continue
            for position, (_, future) in enumerate(items):
                if not future.done():
                    future.set_result(reply[position] == 49)  # b"1"
            for offset, integration in enumerate(self._integrations_of[source]):
                if reply[len(items) + offset] == 49:
                    self._wake(integration, shard)

    async def _run(self, commands: list[list[Any]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command("EVALSHA", *command)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        missing = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if missing:
            await self._redis.script_load(self._text)
            again = self._redis.pipeline(transaction=False)
            for index in missing:
                again.execute_command("EVALSHA", *commands[index])
            for index, reply in zip(missing, await again.execute(raise_on_error=False), strict=True):
                replies[index] = reply
        return replies

    def _command(self, lane: tuple[str, int], items: list[tuple[Incoming, asyncio.Future[bool]]]) -> list[Any]:
        source, shard = lane
        bucket = int(time.time()) // self._bucket_s
        keys = [shard_key(shard, "events", source)]
        keys += [f"{shard_key(shard, 'seen', source)}:{bucket - age}" for age in range(3)]
        keys.append(shard_key(shard, "intake", source))
        integrations = self._integrations_of[source]
        for integration in integrations:
            keys += [shard_key(shard, kind, integration) for kind in ("lease", "wake", "hold")]
        command: list[Any] = [
            self._sha,
            len(keys),
            *keys,
            self._bucket_s * 3,
            self._wake_ms,
            len(integrations),
        ]
        for event, _ in items:
            command.append(hashlib.blake2b(event.key.encode("utf-8", "surrogatepass"), digest_size=16).digest())
            command.append(event.raw)
        return command


def _fail(items: list[tuple[Incoming, asyncio.Future[bool]]], error: NotStoredError) -> None:
    for _, future in items:
        if not future.done():
            future.set_exception(error)


def refusal(fault: BaseException) -> str:
    """A fixed word for why Redis did not store: memory, disk, readonly, loading, timeout, connection or refused."""
    if isinstance(fault, TimeoutError | redis.exceptions.TimeoutError):
        return "timeout"
    if isinstance(fault, ResponseError | RedisConnectionError):
        said = str(fault)
        for sign, word in _SIGNS.items():
            if sign in said:
                return word
    return "connection" if isinstance(fault, RedisConnectionError | OSError) else "refused"


_SIGNS = {
    "OOM": "memory",
    "used memory": "memory",
    "MISCONF": "disk",
    "READONLY": "readonly",
    "LOADING": "loading",
    "loading": "loading",
}
