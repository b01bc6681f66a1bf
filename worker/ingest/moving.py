"""Move to another layout: what the former one refused waits until no trip is under way, and is spread again."""

import asyncio
from collections.abc import Awaitable, Callable

from worker.ingest.memory import InLane
from worker.ingest.posts import Parts, spread_parts
from worker.ingest.queued import Queue
from worker.ingest.roundtrip import refusal
from worker.ingest.spreading import ShardOf
from worker.store.layout import Layout

FindLayout = Callable[[], Awaitable[Layout]]
# Between looks at a layout that does not change.
_PAUSE_S = 0.02


class Move:
    """The layout that events are stored by, and what follows when Redis refuses it.

    `find` finds the one in force; without it a refusal is one like any other. `resize` has everything below store by a
    layout from then on. `leave` is called when trips may board again, and when a move is due.
    """

    def __init__(
        self,
        layout: Layout,
        queue: Queue,
        find: FindLayout | None,
        shard_of: ShardOf,
        resize: Callable[[Layout, ShardOf], Awaitable[None]],
        leave: Callable[[], None],
        within_s: float,
    ) -> None:
        self.layout = layout
        self._queue = queue
        self._find = find
        self._shard_of = shard_of
        self._resize = resize
        self._leave = leave
        self._within_s = within_s
        self._stored_by = layout
        self._displaced: dict[InLane, Parts] = {}
        self._moved = asyncio.Event()
        self._moving: asyncio.Task[None] | None = None
        self.is_due = False
        """Nothing boards before it is done."""

    def ask(self, fault: BaseException) -> bool:
        """Have the layout in force taken up, if that is what a fault asks for."""
        if self._find is None or refusal(fault) != "layout":
            return False
        self.is_due = True
        self._moved.clear()
        asyncio.get_running_loop().call_soon(self._leave)
        return True

    def displace(self, lane: InLane, parts: Parts) -> None:
        """Keep for another lane what was refused."""
        self._displaced.setdefault(lane, []).extend(parts)

    def begin(self) -> None:
        """Begin, once the last trip is back."""
        if not self._queue.under_way and self._moving is None:
            self._moving = asyncio.get_running_loop().create_task(self._run())

    async def done(self) -> None:
        """Wait until the layout in force was taken up, or could not be."""
        await self._moved.wait()

    async def _run(self) -> None:
        """Take up the layout in force, and spread by it what waits: what was refused goes before what came later."""
        queue = self._queue
        displaced, self._displaced = self._displaced, {}
        try:
            async with asyncio.timeout(self._within_s):
                await self._take_up()
            queue.lanes = spread_parts([*displaced.items(), *queue.lanes.items()], self._shard_of)
        except BaseException as fault:
            # whatever failed, every request needs an answer
            for lane, parts in displaced.items():
                queue.fail(lane, parts, fault)
            if not isinstance(fault, Exception):
                raise
        finally:
            self.is_due, self._moving = False, None
            self._moved.set()
        for lane in list(queue.lanes):
            queue.expire(lane)
        self._leave()

    async def _take_up(self) -> None:
        assert self._find is not None
        found = await self._find()
        if (found.epoch, found.shards) == (self._stored_by.epoch, self._stored_by.shards):
            await asyncio.sleep(_PAUSE_S)  # refused all the same: not at once again
        else:
            self.layout = found
            await self._resize(found, self._shard_of)
            self._stored_by = found
