"""Saved letters: what is discarded is written to a file of this machine first, which is kept for a week."""

import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.dead.changes import names_of
from worker.dead.letter import Letter, decode_letter, encode_letter
from worker.process.private_file import private_file

KEPT_S = 7 * 86_400
_FILES = "discarded-*.ndjson"
_UNDONE = "-undone"


def folder_of(data_dir: Path) -> Path:
    """Where they are."""
    return data_dir / "discarded"


@contextmanager
def saving(folder: Path, now_s: float | None = None) -> Iterator[tuple[Path, Callable[[Letter], None]]]:
    """A file of this moment, and what adds a letter to it; on disk when the context ends, gone if that fails.

    Files older than a week are deleted: they hold what events tell of people.

    Raises:
        OSError: it cannot be written.
    """
    now_s = time.time() if now_s is None else now_s
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in folder.glob(_FILES):
        with suppress(OSError):
            if now_s - old.stat().st_mtime > KEPT_S:
                old.unlink()
    stamp = time.strftime("%Y-%m-%dT%H%M%S", time.gmtime(now_s))
    path = folder / f"discarded-{stamp}-{uuid.uuid4().hex[:6]}.ndjson"
    with private_file(path) as file:

        def add(letter: Letter) -> None:
            file.write(encode_letter(letter) + b"\n")

        yield path, add
        file.flush()
        os.fsync(file.fileno())


def saved_files(folder: Path, limit: int, now_s: float | None = None) -> list[tuple[Path, int]]:
    """The newest files that are kept and were not brought back, each with when it was written (Unix ms)."""
    now_s = time.time() if now_s is None else now_s
    found = []
    for path in folder.glob(_FILES):
        if path.stem.endswith(_UNDONE):
            continue
        with suppress(OSError):
            found.append((path, int(path.stat().st_mtime * 1000)))
    kept = [(path, at_ms) for path, at_ms in found if now_s * 1000 - at_ms <= KEPT_S * 1000]
    return sorted(kept, key=lambda one: -one[1])[:limit]


def set_undone(path: Path) -> None:
    """Note that all letters of a file came back: once more would bring back those that were delivered since.

    Raises:
        OSError: it cannot be renamed.
    """
    path.rename(path.with_stem(path.stem + _UNDONE))


def forget_saved(folder: Path, name: str, fields: Collection[str] = ()) -> int:
    """Remove a person's letters from all files (named as by `plain_name`, `fields` are those of an identity chain).

    Returns how many; a line that is no letter of this release is left.

    Raises:
        OSError: a file cannot be written again.
    """
    removed = 0
    for path in folder.glob(_FILES):
        lines = path.read_bytes().splitlines(keepends=True)
        left = [line for line in lines if not _is_of(line, name, fields)]
        if len(left) == len(lines):
            continue
        removed += len(lines) - len(left)
        if left:
            kept = path.stat()
            with private_file(path) as file:
                file.writelines(left)
            os.utime(path, (kept.st_atime, kept.st_mtime))
        else:
            path.unlink()
    return removed


def _is_of(line: bytes, name: str, fields: Collection[str]) -> bool:
    with suppress(ValueError):
        return name in names_of(decode_letter(line), fields)
    return False
