"""Growth of the number of shards while the relay runs, in steps that may be broken off and repeated.

First every shard learns the new layout, so that nothing is stored by the former one any more; from then on the people
of new shards are stored there. Their lanes are closed until the former shard has delivered, for the same integration,
all that it had by then, and their states and dead letters have come.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec

from worker.app import Relay
from worker.dead.edits import home
from worker.dead.filters import Filter
from worker.store.cluster import Cluster
from worker.store.copied import write_copied
from worker.store.entry_id import order
from worker.store.groups import cursors
from worker.store.keys import LAYOUT, SOURCES, copied_key, layout_key, shard_key
from worker.store.lane import Lane
from worker.store.layout import (
    Layout,
    closed_lanes,
    encode_layout,
    note_barriers,
    open_lanes,
    open_shards,
    tell_shards,
    write_layout,
)
from worker.upkeep.growing_states import move_states


class NotCopiedError(Exception):
    """No replica has yet what is to be relied on: the same step later."""


class Behind(msgspec.Struct, frozen=True):
    """An integration whose former shards have yet to deliver events for people of new ones: how many wait in all."""

    integration: str
    shards: int
    waiting: int
    held: bool


class Progress(msgspec.Struct):
    """How far it is: lanes of new shards that are open, of how many; what it waits for.

    `copying`: replicas have yet to get what was moved, or that it is done. `away`: why Redis does not serve; nothing
    else is known then.
    """

    lanes: int = 0
    opened: int = 0
    behind: list[Behind] = []
    processes: list[str] = []
    jobs: list[str] = []
    copying: bool = False
    away: str = ""
    states: int = 0
    letters: int = 0
    done: bool = False


class Growing:
    """The steps; `look` is called with the number of states moved so far."""

    def __init__(self, parts: Relay, look: Callable[[int], None] = lambda _: None) -> None:
        self._parts = parts
        self._redis: Any = parts.redis
        self._look = look
        self.states = self.letters = 0

    def begin(self, shards: int) -> None:
        """Put the layout with so many shards in force."""
        parts = self._parts
        layout = parts.layout.grown(shards, time.time_ns() // 1_000_000)
        write_layout(parts.redis, layout)
        # A server that takes over should not give doors the former layout after shards learnt the new one.
        write_copied(parts.redis, [("SET", LAYOUT, encode_layout(layout))])
        parts.look_at_layout()

    def step(self) -> Progress:
        """Do what can be done now."""
        parts = self._parts
        parts.look_at_layout()
        layout = parts.layout
        if not layout.moving:
            return self._last(Progress(), [LAYOUT])
        tell_shards(parts.redis, layout)
        parts.join()
        sources = {name.decode() for name in self._redis.smembers(SOURCES)} | parts.integrations.sources.keys()
        barriers = note_barriers(parts.redis, layout, sorted(sources))
        lanes = [lane for lane in parts.lanes() if lane.shard in layout.children]
        closed = closed_lanes(parts.redis, lanes)
        behind = list(self._behind(layout, closed, barriers))
        found = Progress(len(lanes), len(lanes) - len(closed), behind, self._processes(layout), self._jobs())
        late = {one.integration for one in behind}
        ready = [lane for lane in closed if lane.integration not in late]
        if found.processes or found.jobs:
            return found
        if ready:
            try:
                self._open(layout, ready)
            except NotCopiedError:
                found.copying = True
                return found
            found.opened += len(ready)
        if found.opened == found.lanes:
            return self._end(layout, found)
        found.states, found.letters = self.states, self.letters
        return found

    def _behind(self, layout: Layout, closed: Sequence[Lane], barriers: dict[tuple[str, int], str]) -> Iterator[Behind]:
        """The integrations that have yet to pass a barrier, with what waits on those shards."""
        parents = {(lane.integration, lane.source, lane.shard % layout.before) for lane in closed}
        places = sorted({(source, shard) for _, source, shard in parents})
        pipe = self._redis.pipeline(transaction=False)
        for source, shard in places:
            pipe.xinfo_groups(shard_key(shard, "events", source))
        groups = dict(zip(places, pipe.execute(), strict=True))
        held = self._parts.holds.get({name for name, _, _ in parents})
        late: dict[str, list[int]] = {}
        for name, source, shard in sorted(parents):
            mine = next((one for one in groups[source, shard] if one["name"].decode() == name), None)
            barrier = order(barriers[source, shard])
            if mine is None or cursors([mine])[name] < barrier:
                late.setdefault(name, []).append(int(mine["lag"] or 0) if mine else 0)
        for name, lags in late.items():
            yield Behind(name, len(lags), sum(lags), name in held)

    def _open(self, layout: Layout, lanes: Sequence[Lane]) -> None:
        """Bring the states and dead letters of these lanes' people, then let the lanes be served."""
        parts = self._parts
        known = parts.integrations.integrations
        # those that are configured no more come along: nobody serves them
        names = {lane.integration for lane in lanes} | (set(parts.known_integrations()) - known.keys())
        before = self.states

        def look(moved: int) -> None:
            self._look(before + moved)

        self.states += move_states(parts.redis, layout, names, known, look, self._confirm)
        for letter in parts.dead_letters.find(sorted(names), Filter()):
            shard = home(letter, layout.shards)
            if shard != letter.shard:
                self.letters += parts.dead_changes.rehome(letter, shard, partial(self._confirm, [shard])) == "done"
        for name in names & known.keys():
            parts.holds.mark_all(name)
        open_lanes(parts.redis, lanes)

    def _confirm(self, shards: Collection[int]) -> None:
        """What came to these shards, which are closed, is there to stay: it may be deleted on others.

        One server loses first what it wrote last; of several, each may lose what another one relies on.

        Raises:
            NotCopiedError: not yet.
        """
        if isinstance(self._redis, Cluster) and not write_copied(
            self._redis, [("HSET", layout_key(shard), "closed", "1") for shard in shards]
        ):
            raise NotCopiedError

    def _end(self, layout: Layout, found: Progress) -> Progress:
        """End the growth, when what opens each shard is copied: nobody opens one that a server closes again later."""
        open_shards(self._parts.redis, layout)
        if self._last(found, range(layout.shards)).copying:
            return found
        write_layout(self._parts.redis, msgspec.structs.replace(layout, moving=False))
        self._parts.look_at_layout()
        return self._last(found, [LAYOUT])

    def _last(self, found: Progress, tags: Iterable[int | str]) -> Progress:
        """Done, when a replica of these shards' servers, or of this key's, has all that was written there."""
        found.done = write_copied(self._redis, [("SET", copied_key(tag), "1", "PX", "60000") for tag in tags])
        found.copying = not found.done
        found.states, found.letters = self.states, self.letters
        return found

    def _processes(self, layout: Layout) -> list[str]:
        """Processes that have yet to take the layout up: what they hold back would not be held back on new shards."""
        alive = (one for one in self._parts.processes.all() if one.alive and one.role != "command")
        return [f"{one.role} {one.pid} on {one.host}" for one in alive if one.shards != layout.shards]

    def _jobs(self) -> list[str]:
        """Jobs that were begun before: they send what is on former shards, with the states there."""
        return [job.id for job in self._parts.jobs.open()]
