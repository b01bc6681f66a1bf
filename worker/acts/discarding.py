"""Discard dead letters: saved to a file first, given up, and who did it is kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from worker.acts.record import Doer, record
from worker.app import Relay
from worker.dead.letter import Letter
from worker.dead.saving import folder_of, saving
from worker.errors import OperatorError

_MESSAGE_LIMIT = 300
_CHUNK = 500


class Discarded(msgspec.Struct, frozen=True):
    """What a discard did: letters given up, those left alone by the reason, and the file that brings them back."""

    done: int
    left: dict[str, int]
    file: str = ""


def discard(parts: Relay, ids: Sequence[str], meant: str, doer: Doer, *, save: bool = True) -> Discarded:
    """Discard the letters of these ids; `meant` says which they are, for the record.

    They are saved to the data folder first, and are all on disk before the first one is given up.

    Raises:
        OperatorError: they cannot be saved; none is discarded then.
    """
    with _saved(folder_of(parts.settings.data_dir) if save else None) as (file, add):
        letters = list(_slim(_read(parts, ids), add))
    left: Counter[str] = Counter(
        change for _, change in parts.dead_changes.discard(letters, doer.why[:_MESSAGE_LIMIT], doer.by)
    )
    done = left.pop("done", 0)
    record(parts.redis, doer, "dead discard", meant, f"{done} letters discarded")
    return Discarded(done, dict(left), str(file or ""))


@contextmanager
def _saved(folder: Path | None) -> Iterator[tuple[Path | None, Callable[[Letter], None]]]:
    """The file for the letters, and what adds one; without a folder there is none."""
    if folder is None:
        yield None, _nowhere
        return
    try:
        with saving(folder) as (file, add):
            yield file, add
    except OSError as error:
        raise OperatorError(
            f"cannot save the letters to {folder} ({error.strerror}), so none is discarded; name another folder with "
            "RELAY_DATA_DIR, or do without a way back (--no-save)"
        ) from None


def _nowhere(_letter: Letter) -> None:
    """Nothing is saved."""


def _read(parts: Relay, ids: Sequence[str]) -> Iterator[Letter]:
    for start in range(0, len(ids), _CHUNK):
        yield from filter(None, parts.dead_letters.get(ids[start : start + _CHUNK]))


def _slim(letters: Iterable[Letter], add: Callable[[Letter], None]) -> Iterator[Letter]:
    """The letters without what takes room, each saved whole first."""
    for letter in letters:
        add(letter)
        yield msgspec.structs.replace(
            letter, raw="", raw_base64="", original="", original_base64="", attempts=[], operations=[]
        )
