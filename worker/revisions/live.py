"""The configuration as one process has it: taken up from Redis, looked after once a second, kept on disk.

Every process runs the revision in force. A revision that it cannot read leaves it on its last good one, and is
logged once; a revision that Redis has lost (a fail-over, an emptied server) it publishes again.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import redis

from config.integrations import ConfigError, Integrations, parse
from config.secrets import Secrets
from worker.errors import OperatorError
from worker.process.eventlog import EventLog
from worker.revisions.lastgood import LastGood
from worker.revisions.owner import check, publish_file, read_file
from worker.revisions.store import MovedError, Revision, Revisions, UnreadableError, digest_of

log = EventLog(__name__)

LOOK_S = 1.0
_AWAY = (redis.RedisError, OSError)
_NOTHING = Integrations({}, {}, (), "the configuration")
NO_CONFIG = (
    "no configuration yet: write the first one with `relay config apply FILE`, or set RELAY_INTEGRATIONS to a file"
)


class Loaded(msgspec.Struct, frozen=True):
    """A configuration ready to be run: `revision.number` is 0 for a file that is not published."""

    revision: Revision
    integrations: Integrations

    @property
    def number(self) -> int:
        """The number of the revision; 0: it is not from Redis."""
        return self.revision.number


EMPTY = Loaded(Revision("", "", "", 0), _NOTHING)


class Live:
    """Keeps one process on the revision in force.

    `revisions` is None where there is no Redis; `file` is the integrations file that owns the configuration, None where
    Redis does; `last_good` is for processes that run for long. `adopt` is called with a new configuration before it is
    run, and may raise what Redis raises: then it is tried again a second later. `swapped` is called when it is run.
    """

    def __init__(
        self,
        revisions: Revisions | None,
        secrets: Secrets,
        file: Path | None,
        last_good: LastGood | None = None,
        adopt: Callable[[Loaded], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._revisions = revisions
        self._secrets = secrets
        self._file = file
        self._last_good = last_good
        self._adopt = adopt
        self._clock = clock
        self._loaded: Loaded | None = None
        self._looked_s = -LOOK_S
        self._lock = threading.Lock()
        self._said = ""
        self._seen = 0  # the newest revision that this process has seen in Redis
        self.since_ms = 0
        self.swapped: Callable[[Loaded], object] = lambda _: None

    @property
    def loaded(self) -> Loaded:
        """What this process runs; the first call looks for it.

        Raises:
            OperatorError: the file that owns the configuration has an error, and nothing else is known.
        """
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._swap(self._first())
        assert self._loaded is not None
        return self._loaded

    def begin(self, by: str) -> None:
        """Publish the file that owns the configuration, if it was never seen, and take up what is in force.

        Raises:
            OperatorError: the file has an error; nothing was published.
        """
        if self._file is not None:
            text = read_file(self._file)
            check(text, str(self._file), self._secrets)  # a file with an error changes nothing anywhere
            try:
                if self._revisions is not None:
                    publish_file(self._revisions, self._file, text, by)
            except UnreadableError as fault:
                self._say("config_not_published", message=fault)
        _ = self.loaded
        self.look(force=True)

    def look(self, *, force: bool = False) -> bool:
        """Take up the revision in force, if it is another one; asks once a second at most. Whether it swapped."""
        now_s = self._clock()
        if not force and now_s - self._looked_s < LOOK_S:
            return False
        self._looked_s = now_s
        if self._loaded is None:
            _ = self.loaded
        with self._lock:
            return self._look()

    def _look(self) -> bool:
        assert self._loaded is not None
        known = self._loaded.number
        try:
            new = self._newer(self._loaded)
            if new is None:
                return False
            self._adopt(new)
        except (OperatorError, ConfigError) as fault:
            self._say("config_not_taken_up", running=known, message=fault)
            return False
        except _AWAY:
            return False
        self._swap(new)
        return True

    def _newer(self, known: Loaded) -> Loaded | None:
        """The configuration to run instead of the present one, if any."""
        if self._revisions is None:
            return None
        head, is_known = self._revisions.in_force(known.revision)
        if head < known.number == self._seen:
            self._restore(self._revisions, known.revision, head)
            return None
        if is_known and not self._secrets.changed():
            self._seen = head
            return None
        if head == 0:  # what is known is from the disk or a file: it may belong to another Redis
            return self._of_file(self._file) if self._file and not known.number else None
        return self._take(self._revisions, head)

    def _first(self) -> Loaded:
        found = self._of_redis() or (self._last_good and self._of_disk(self._last_good))
        if found is None and self._file is not None:
            found = self._of_file(self._file)
        return found or EMPTY

    def _of_redis(self) -> Loaded | None:
        if self._revisions is None:
            return None
        try:
            head = self._revisions.head()
            return self._take(self._revisions, head) if head else None
        except (UnreadableError, ConfigError) as fault:
            self._say("config_not_taken_up", running=0, message=fault)
        except _AWAY:
            if self._last_good is None and self._file is None:
                raise  # to a command it would look as if there was none
        return None

    def _of_disk(self, last_good: LastGood) -> Loaded | None:
        revision = last_good.read()
        if revision is None:
            return None
        with suppress(UnreadableError, *_AWAY):
            if self._revisions is None or self._revisions.head() == 0:
                return None  # another Redis than the one it was for
        try:
            return self._load(revision)
        except ConfigError:
            return None

    def _of_file(self, path: Path) -> Loaded:
        text = read_file(path)
        revision = Revision(text, digest_of(text), "", 0, origin="file")
        return Loaded(revision, check(text, str(path), self._secrets))

    def _take(self, revisions: Revisions, head: int) -> Loaded:
        new = self._load(revisions.get(head))
        self._seen = head
        return new

    def _load(self, revision: Revision) -> Loaded:
        path = f"revision {revision.number}"
        return Loaded(revision, parse(revision.text, path, self._secrets, number=revision.number, lenient=True))

    def _restore(self, revisions: Revisions, revision: Revision, head: int) -> None:
        """Redis has lost revisions (emptied, or a replica that lagged): publish the one in force again."""
        if self._last_good is None or not revision.number:
            return
        again = msgspec.structs.replace(revision, origin="restored")
        try:
            number = revisions.publish(again, head, least=revision.number)
        except MovedError:
            return  # another process published first
        log.warning("config_restored", revision=number, former=head)

    def _swap(self, new: Loaded) -> None:
        former, self._loaded = self._loaded, new
        self.since_ms = time.time_ns() // 1_000_000
        # a command that needs a secret says so itself
        for line in new.integrations.unresolved if self._last_good is not None else ():
            log.error("secret_missing", message=line)
        if former is not None:
            self._said = ""
            log.info("config_taken_up", revision=new.number, former=former.number)
        if self._last_good is not None and new.number:
            self._last_good.write(new.revision)
        self.swapped(new)

    def _say(self, name: str, **fields: object) -> None:
        """Log a state once, not every second."""
        said = f"{name} {fields}"
        if said != self._said:
            self._said = said
            log.critical(name, **fields)
