"""On disk: the integrations file as it is now; its errors are known before a starting process is refused for them."""

import threading
from pathlib import Path

from config.secrets import Secrets
from worker.errors import OperatorError
from worker.revisions.live import check, read_file


class OnDisk:
    """The errors of an integrations file; it is read again when its time or size changed."""

    def __init__(self, file: Path | None, secrets: Secrets) -> None:
        self._file = file
        self._secrets = secrets
        self._lock = threading.Lock()
        self._known: tuple[tuple[int, int], tuple[str, ...]] | None = None

    def problems(self) -> tuple[str, ...]:
        """One line each, with the file, its line and what to change; empty where no file owns the configuration."""
        if self._file is None:
            return ()
        try:
            found = self._file.stat()
        except OSError:
            return self._look(self._file)
        mark = (found.st_mtime_ns, found.st_size)
        with self._lock:
            if self._known is None or self._known[0] != mark:
                self._known = mark, self._look(self._file)
            return self._known[1]

    def _look(self, file: Path) -> tuple[str, ...]:
        try:
            check(read_file(file), str(file), self._secrets)
        except OperatorError as error:
            return tuple(error.lines)
        return ()
