"""Private files: written whole or not at all, readable by their owner alone, whatever was there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def private_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes the place of `path` when all is written, and leaves no trace when something fails.

    The new file is 0600 even if the old one was not. A link is neither followed nor replaced.

    Raises:
        OSError: it cannot be written, or `path` is a link or no file.
    """
    if path.is_symlink():
        raise OSError(None, "it is a link; name the file itself")
    if path.exists() and not path.is_file():
        raise OSError(None, "it is no file")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # of a process that was killed
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
