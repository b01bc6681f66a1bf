"""The last good revision on disk, for a process that starts while Redis is away or holds what it cannot read."""

import contextlib
import logging
import os
from pathlib import Path

import msgspec

from worker.revisions.store import Revision

log = logging.getLogger(__name__)


class LastGood:
    """One file in the data folder; a folder that cannot be written costs the copy, nothing else."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "config.json"

    def read(self) -> Revision | None:
        """The revision, if there is one that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Revision)
        except (OSError, ValueError):
            return None

    def write(self, revision: Revision) -> None:
        """Keep a revision: whole or not at all, and readable by its owner alone."""
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - a mode
                file.write(msgspec.json.encode(revision))
            draft.replace(self._path)
        except OSError as fault:
            log.info("config_not_kept fault=%s", type(fault).__name__)
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
