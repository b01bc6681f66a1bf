"""The last good revision on disk, for a process that starts while Redis is away or holds what it cannot read."""

import errno
from pathlib import Path

import msgspec

from worker.process.eventlog import EventLog
from worker.process.private_file import private_file
from worker.revisions.store import Revision

log = EventLog(__name__)


class LastGood:
    """One file in the data folder; if the folder cannot be written, there is no copy, and nothing else fails."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "config.json"
        self._said = ""

    def read(self) -> Revision | None:
        """The revision, if there is one that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Revision)
        except (OSError, ValueError):
            return None

    def write(self, revision: Revision) -> None:
        """Keep a revision: atomically, and readable only by its owner."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with private_file(self._path) as file:
                file.write(msgspec.json.encode(revision))
        except OSError as fault:
            self._say(errno.errorcode.get(fault.errno or 0, type(fault).__name__))
        else:
            self._said = ""

    def _say(self, cause: str) -> None:
        """Log why there is no copy, once for each cause."""
        if cause != self._said:
            self._said = cause
            log.warning("config_not_kept", fault=cause)
