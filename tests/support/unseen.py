"""A folder whose files this process may not see, as a user's home is to the user that commands run as."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_NOBODY = 65534


@contextlib.contextmanager
def unseen(folder: Path) -> Iterator[None]:
    """Work in `folder` without the right to look into it; root is somebody else meanwhile."""
    before = Path.cwd()
    os.chdir(folder)
    root = os.geteuid() == 0
    folder.chmod(0o700 if root else 0)
    if root:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
        os.chdir(before)
