"""`relay dead list`: dead letters, page by page."""

import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.columns import columns, fitted
from worker.cli.completing import GROUPS
from worker.cli.dead.choice import choose, is_number
from worker.cli.dead.options import JSON, filters
from worker.cli.dead.rows import cause_words
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json, say, span, terminal_width

if TYPE_CHECKING:
    from worker.dead.letter import Letter

_WORDS_SHOWN = 60


@click.command()
@click.argument("group", metavar="[GROUP]", required=False, shell_complete=GROUPS)
@filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Letters on a page.")
@click.option("--next", "cursor", metavar="CURSOR", help="The page after this cursor, as the last page gave it.")
@JSON
def dead_list(group: str | None, *, limit: int, cursor: str | None, as_json: bool, **flags: Any) -> None:
    """List dead letters, the last to fail first, page by page; of GROUP: one of the numbers of `relay dead`."""
    if group and not is_number(group):
        raise click.UsageError(
            f'"{group}" is no number of a group; `relay dead` lists them, `relay dead show` takes an id'
        )
    parts = open_parts()
    choice = choose(parts, [group] if group else [], flags, by_default=True)
    wanted = choice.filters[0]
    letters, place = parts.dead_letters.page(
        wanted.integrations or choice.integrations, wanted, limit, _read_cursor(cursor)
    )
    following = f"{place[0]}:{place[1]}" if place else None
    if as_json:
        echo_json({"items": [summary(letter) for letter in letters], "next": following})
        return
    now_ms = time.time_ns() // 1_000_000
    rows = [["letter", "failed", "cause", "person", "message"]]
    rows += [
        [
            letter.id,
            f"{span(now_ms - letter.failed_ms)} ago",
            cause_words(letter.reason, letter.field, letter.status, letter.event),
            letter.person or "-",
            " ".join(letter.message.split())[:_WORDS_SHOWN],
        ]
        for letter in letters
    ]
    narrow = fitted(rows, terminal_width(), [4, 3], [(2, 30), (4, 20)])
    for line in columns(narrow) if letters else ["no dead letter matches"]:
        say(line)
    if following:
        say()
        words = ["relay dead list", choice.typed, f"--limit {limit}", f"--next {following}"]
        say(f"more: {' '.join(filter(None, words))}")


def _read_cursor(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    failed_ms, _, dead_id = text.partition(":")
    if not (failed_ms.isascii() and failed_ms.isdigit() and dead_id):
        raise click.UsageError("--next takes the cursor that the page before ended with")
    return int(failed_ms), dead_id


def summary(letter: "Letter") -> dict[str, Any]:
    """A letter without the event and what was made of it."""
    import msgspec

    row: dict[str, Any] = msgspec.to_builtins(letter)
    for long in ("attempts", "operations", "raw", "raw_base64", "original", "original_base64"):
        del row[long]
    return row | {"attempts": len(letter.attempts)}
