"""On disk: the integrations file as it is now, its errors and its text, before a process is started with it."""

import threading
from pathlib import Path
from typing import NamedTuple

from config.secrets import Secrets
from worker.errors import OperatorError
from worker.revisions.owner import check, read_file
from worker.revisions.store import digest_of


class _Found(NamedTuple):
    """What was found in a file: its errors, and the digest of its text."""

    problems: tuple[str, ...] = ()
    digest: str = ""


class OnDisk:
    """The errors and the digest of an integrations file; it is read again when its time or size changed."""

    def __init__(self, file: Path | None, secrets: Secrets) -> None:
        self._file = file
        self._secrets = secrets
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int], _Found] | None = None

    def problems(self) -> tuple[str, ...]:
        """One line each, with the file, its line and what to change; empty where no file owns the configuration."""
        return self._found(self._file).problems if self._file else ()

    def is_other_than(self, digest: str) -> bool:
        """Whether the file can be run, and its text is another one than that of this digest."""
        found = self._found(self._file) if self._file else _Found()
        return not found.problems and found.digest not in {"", digest}

    def _found(self, file: Path) -> _Found:
        try:
            found = file.stat()
        except OSError:
            return self._look(file)
        mark = (found.st_mtime_ns, found.st_size)
        with self._lock:
            if self._known is None or self._known[0] != mark:
                self._known = mark, self._look(file)
            return self._known[1]

    def _look(self, file: Path) -> _Found:
        try:
            text = read_file(file)
            check(text, str(file), self._secrets)
        except OperatorError as error:
            return _Found(tuple(error.lines))
        return _Found((), digest_of(text))
