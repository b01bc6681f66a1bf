"""What commands print at several widths, compared with files under tests/golden/cli.

A file that is not there is written by the test that asks for it, which fails then: look at it, and run it again.
"""

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "cli"
WIDTHS = [60, 80, 120, 200]


def same_screen(name: str, text: str) -> None:
    """Compare what is printed with its file."""
    path = GOLDEN / f"{name}.txt"
    if not path.exists():
        path.write_text(text, "utf-8")
        raise AssertionError(f"{path.name} was written: read it, and run the test again")
    assert text == path.read_text("utf-8")
