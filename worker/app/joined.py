"""A process and its Redis: the configuration in force, the groups that must exist, the number of shards."""

from contextlib import suppress
from functools import cached_property
from typing import Any

import redis

from config.integrations import Integrations
from config.settings import Settings
from worker.app.parts import Parts
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.revisions.lastgood import LastGood
from worker.revisions.live import EMPTY, NO_CONFIG, Live
from worker.store.keys import INTEGRATIONS, SHARDS, SOURCES
from worker.store.lane import Lane, lanes_of
from worker.store.layout import Layout, find_layout, write_layout
from worker.store.processes import Role
from worker.store.samples import Samples
from worker.store.schema import note_schema

log = EventLog(__name__)

# What is made for a number of shards, and made again for another one.
_OF_SHARDS = ("holds", "dead_letters", "dead_groups", "dead_changes", "jobs", "serving")


class JoinedParts(Parts):
    """The parts, on the revision and the number of shards that are in force."""

    def __init__(self, chosen: Settings, role: Role = "command") -> None:
        super().__init__(chosen)
        self.role: Role = role  # before the configuration is first asked for
        self._asked, self._is_asked = chosen.shards, "shards" in chosen.model_fields_set
        self.layout = Layout(chosen.shards)
        self._checked = False

    @property
    def integrations(self) -> Integrations:
        """The configuration in force, as this process has it just now.

        Raises:
            OperatorError: the integrations file has an error; or a command finds no configuration at all.
        """
        loaded = self.live.loaded
        if loaded is EMPTY and self.role == "command":
            raise OperatorError(NO_CONFIG)
        return loaded.integrations

    @cached_property
    def live(self) -> Live:
        """What keeps this process on the revision in force."""
        chosen = self.settings
        try:
            revisions = self.revisions
        except OperatorError:
            if chosen.integrations is None:
                raise
            revisions = None  # a file can be looked at without a server
        last_good = None if self.role == "command" else LastGood(chosen.data_dir)
        return Live(revisions, self.secrets, chosen.integrations, last_good, lambda new: self.join(new.integrations))

    def lanes(self, of: Integrations | None = None) -> list[Lane]:
        """Every integration on every shard of its source; of the configuration in force, if none is given."""
        return lanes_of(of or self.integrations, self.settings.shards)

    def known_integrations(self) -> list[str]:
        """The integrations of the file, and those that were in it once: their dead letters are still there."""
        names = list(self.integrations.integrations)
        once: Any = self.redis.smembers(INTEGRATIONS)
        return names + sorted({name.decode() for name in once} - set(names))

    def join(self, of: Integrations | None = None) -> None:
        """Make what must exist before events may come: every integration's group on every shard.

        A server that does not know the number of shards is new, or was emptied while the web door went on storing:
        then all that it holds was accepted and offered to no group yet, groups begin at its first event, and the
        samples of the books with nobody's, or what comes before beat's first one would be in none of their differences.

        Raises:
            OperatorError: the number of shards is not the one the stored events were spread over, or a newer release
                wrote them.
        """
        known = self.check_store()
        chosen = of or self.integrations
        integrations = chosen.integrations
        for key, names in ((SOURCES, chosen.sources.keys()), (INTEGRATIONS, integrations.keys())):
            once: Any = self.redis.smembers(key)
            new = names - {name.decode() for name in once}
            if new:  # only then: it must be possible to join a server whose memory is full
                self.redis.sadd(key, *new)
        self.streams.join_all(
            (lane, integrations[lane.integration].start if known else "archive") for lane in self.lanes(of)
        )
        if not known:
            with suppress(redis.exceptions.OutOfMemoryError):  # then nothing can be stored before the next one either
                Samples(self.redis).add({})
            self._note_layout()
        with suppress(redis.exceptions.OutOfMemoryError):  # then a later join writes it
            note_schema(self.redis)

    def check_store(self) -> bool:
        """Whether this Redis was joined before.

        Raises:
            OperatorError: it holds what this release, or these settings, would misread.
        """
        found = find_layout(self.redis, self._asked, is_set=self._is_asked)
        if found is not None:
            self._take_up(found)
        return found is not None

    def check_once(self) -> None:
        """The same, once: for a process that may have begun while Redis was away.

        Raises:
            OperatorError: it holds what this release, or these settings, would misread.
        """
        if not self._checked:
            self.check_store()
            self._checked = True

    def look_at_layout(self) -> None:
        """Take up the number of shards that is in force now, and make the groups of new ones.

        Raises:
            OperatorError: it is none that this process may serve.
        """
        former = self.layout.shards
        if self.check_store() and self.layout.shards != former:
            self.join()

    def _take_up(self, layout: Layout) -> None:
        former, self.layout = self.layout, layout
        if layout.shards != self.settings.shards:
            self.settings = self.settings.model_copy(update={"shards": layout.shards})
            for name in _OF_SHARDS:
                self.__dict__.pop(name, None)
        if (layout.epoch, layout.shards) != (former.epoch, former.shards) and self.role != "command":
            log.info("shards_taken_up", shards=layout.shards, former=former.shards, epoch=layout.epoch)
            if self._is_asked and self._asked != layout.shards and self._asked in layout.formerly:
                log.warning("shards_are_more", message=f"RELAY_SHARDS is {self._asked}; set it to {layout.shards}")

    def _note_layout(self) -> None:
        """Write down how many shards a Redis has that knew nothing of it; one that was emptied has them again."""
        if self.redis.set(SHARDS, self.layout.shards, nx=True, get=True) is not None:
            self.check_store()  # another process was first
        elif self.layout.epoch > 1:
            write_layout(self.redis, self.layout)
