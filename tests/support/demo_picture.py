"""`python -m tests.support.demo_picture`: run `relay demo` and draw what it prints as docs/demo.svg, for the README."""

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

PICTURE = Path(__file__).parents[2] / "docs" / "demo.svg"
_PEOPLE = 120
_SEED = 1
_LEFT_OUT = ("sent ", "starting ", "\n[b]What next")  # progress, and what belongs to a terminal only


class Recorder(Console):
    """A console that keeps what is printed, without the progress."""

    def print(self, *objects, **options) -> None:
        """Print, unless it is of what the picture leaves out."""
        if not (objects and isinstance(objects[0], str) and objects[0].startswith(_LEFT_OUT)):
            super().print(*objects, **options)


def draw(console: Console) -> str:
    """What the console has recorded as an SVG that loads nothing from elsewhere."""
    svg = console.export_svg(title="relay demo", theme=MONOKAI, unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code, monospace", "Menlo, Consolas, 'DejaVu Sans Mono', monospace")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> int:
    """Run the demo, recorded; nothing is written unless its books balance."""
    from worker.cli.demo.command import _run
    from worker.cli.demo.stage import Stage
    from worker.machine.signals import Signals

    console = Recorder(record=True, width=100, file=io.StringIO(), highlight=False, force_terminal=False)
    folder = Path(tempfile.mkdtemp(prefix="relay-demo-"))
    with Signals() as signals:
        stage = Stage(folder)
        try:
            outcome = _run(stage, signals, console, _PEOPLE, _SEED)
        finally:
            stage.machine.stop(signals.wait, lambda: signals.asked > 1)
            shutil.rmtree(folder, ignore_errors=True)
    if not outcome["ok"]:
        print(console.export_text(), file=sys.stderr)
        return 1
    PICTURE.write_text(draw(console))
    print(f"wrote {PICTURE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
