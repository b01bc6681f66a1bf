"""The last good revision on disk, for a process that starts while Redis is away or holds what it cannot read."""

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
            log.info("config_not_kept", fault=type(fault).__name__)
