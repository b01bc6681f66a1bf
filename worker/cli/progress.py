"""Progress of what takes longer than two seconds, on standard error: a bar on a terminal, lines elsewhere."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Self, TypeVar

from worker.cli.printing import count, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

AFTER_S = 2.0
_LINE_EVERY_S = 10.0
_LOOK_EVERY_S = 0.1

T = TypeVar("T")


class Progress:
    """How far one thing is: `what` is counted; `total` is what `at` calls the end, None where nobody knows."""

    def __init__(
        self, what: str, total: float | None = None, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._total = total
        self._quiet = quiet
        self._clock = clock
        self._began_s = self._said_s = clock()
        self._looked_s = 0.0
        self._bars: Bars | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def at(self, number: int, place: float | None = None) -> None:
        """So many are done; `place` is how near the end that is, where it is not the number itself."""
        now_s = self._clock()
        if self._quiet or now_s - self._began_s < AFTER_S or now_s - self._looked_s < _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        place = number if place is None else place
        text = f"{count(number)} {self._what}, {count(number / (now_s - self._began_s))}/s"
        if sys.stderr.isatty():
            self._draw(text, place)
        elif now_s - self._said_s >= _LINE_EVERY_S:
            self._said_s = now_s
            say(text + (f", {100 * place / self._total:.0f} %" if self._total else ""), err=True)

    def _draw(self, text: str, place: float) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        if self._bars is None:
            known = (BarColumn(), TimeRemainingColumn()) if self._total else ()
            text_column = TextColumn("{task.description}", markup=False)
            self._bars = Bars(SpinnerColumn(), text_column, *known, console=Console(stderr=True), transient=True)
            self._bars.add_task(text, total=self._total)
            self._bars.start()
        self._bars.update(self._bars.task_ids[0], description=text, completed=place)


def counted(items: Iterable[T], what: str, total: float | None = None, *, quiet: bool = False) -> Iterator[T]:
    """The items, with the progress of reading them."""
    with Progress(what, total, quiet=quiet) as progress:
        for number, item in enumerate(items, 1):
            yield item
            progress.at(number)


@contextlib.contextmanager
def busy(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Say on a terminal that something is going on, once it takes two seconds, and for how long it has."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_spin, args=(text, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _spin(text: str, over: threading.Event) -> None:
    began_s = time.monotonic()
    if over.wait(AFTER_S):
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as status:
        while not over.wait(0.5):
            status.update(f"{text}, {time.monotonic() - began_s:.0f} s")
