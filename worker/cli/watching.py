"""Watching: what a command shows, drawn again every few seconds until Ctrl-C; and rates of what changed in between."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping

import click
from rich.console import Console, RenderableType
from rich.text import Text

from worker.cli.printing import say_lines, terminal_width
from worker.process.plain import plain

WATCH = click.option("--watch", is_flag=True, help="Refresh until Ctrl-C.")
EVERY = click.option(
    "--every", "every_s", type=click.FloatRange(0.2), default=2.0, show_default=True, help="Seconds, with --watch."
)


def show(draw: Callable[[int], RenderableType], every_s: float = 0) -> None:
    """Draw at the terminal's width, once or (with `every_s`) again and again; a terminal shows the newest alone."""
    tty = sys.stdout.isatty()
    console = Console(width=None if tty else terminal_width(), highlight=False)
    with contextlib.suppress(KeyboardInterrupt):
        if every_s and tty:
            _live(console, draw, every_s)
        while True:
            console.print(draw(console.width))
            if not every_s:
                return
            time.sleep(every_s)


def show_lines(draw: Callable[[int], Iterable[str]], every_s: float = 0) -> None:
    """The same for lines of plain text."""
    if every_s and sys.stdout.isatty():
        show(lambda width: Text("\n".join(map(plain, draw(width)))), every_s)
    else:
        repeat(lambda: say_lines(draw(terminal_width())), every_s)


def repeat(tell: Callable[[], None], every_s: float) -> None:
    """Do something once, or (with `every_s`) again and again until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            tell()
            if not every_s:
                return
            time.sleep(every_s)


def _live(console: Console, draw: Callable[[int], RenderableType], every_s: float) -> None:
    from rich.live import Live

    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(draw(console.width), refresh=True)
            time.sleep(every_s)


class Rates:
    """Rates of counts between one look and the next."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked_s = 0.0
        self._counts: dict[str, tuple[int, ...]] = {}

    def of(self, counts: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[float, ...]]:
        """Each count's change a second since the last look; nothing at the first one, or of what is new."""
        now_s = self._clock()
        passed_s = max(now_s - self._looked_s, 0.001)
        found = {
            name: tuple((now - was) / passed_s for now, was in zip(new, self._counts[name], strict=True))
            for name, new in counts.items()
            if name in self._counts
        }
        self._looked_s, self._counts = now_s, dict(counts)
        return found
