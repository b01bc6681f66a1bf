"""`relay dead`: what could not be delivered, by cause; list it, show it, work it off."""

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.columns import columns, fitted, sparkline
from worker.cli.dead.options import JSON, chosen, filters, take_filter
from worker.cli.lazy import LazyGroup
from worker.cli.parts import open_parts
from worker.cli.printing import count, echo_json, say, say_lines, several, span

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.causes import Cause
    from worker.dead.filters import Filter

_HOURS = 12
_NO_WIDTH = 1_000
# name -> what `relay dead --help` says
_COMMANDS = {
    "list": "List dead letters, newest first.",
    "show": "Show one with everything that is known of it.",
    "replay": "Try letters again, as a job of the workers.",
    "edit": "Change the event of a letter; the original is kept.",
    "discard": "Discard letters; a trail records who did it and why.",
    "trail": "Show what was discarded, who did it, and why.",
    "export": "Write letters as NDJSON.",
    "import": "Put exported letters back that are not there.",
}


def _load(name: str) -> click.Command:
    command: click.Command
    match name:
        case "list":
            from worker.cli.dead.list_ import dead_list as command
        case "show":
            from worker.cli.dead.show import dead_show as command
        case "replay":
            from worker.cli.dead.replay import dead_replay as command
        case "edit":
            from worker.cli.dead.edit import dead_edit as command
        case "discard":
            from worker.cli.dead.discard import dead_discard as command
        case "trail":
            from worker.cli.dead.discard import dead_trail as command
        case "export":
            from worker.cli.dead.export import dead_export as command
        case "import":
            from worker.cli.dead.export import dead_import as command
        case _:
            raise LookupError(name)
    return command


@click.group(cls=LazyGroup, commands_help=_COMMANDS, load=_load, invoke_without_command=True)
@filters
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many causes to show.")
@JSON
@click.pass_context
def dead(ctx: click.Context, /, *, limit: int, as_json: bool, **flags: Any) -> None:
    """Show dead letters by cause: how many, since when, how they come, and what to do.

    With a command, options go after it: relay dead list --reason rejected.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_stray(ctx)
        return
    parts = open_parts()
    wanted = take_filter(flags, parts)
    now_ms = time.time_ns() // 1_000_000
    causes = _causes(parts, wanted, now_ms, limit)
    shown = causes[:limit]
    if as_json:
        _tell_causes(causes, shown, parts.settings.dead_limit)
    else:
        _show_causes(causes, shown, now_ms, parts.settings.dead_limit)


def _causes(parts: "Relay", wanted: "Filter", now_ms: int, limit: int) -> "list[Cause]":
    """All causes a filter means, the first `limit` of them with their times."""
    from worker.dead.causes import gather

    letters = parts.dead_letters
    if wanted.reads_letters:
        return gather(letters.find(chosen(parts, wanted), wanted), now_ms, _HOURS)
    causes = letters.causes.list(chosen(parts, wanted), wanted)
    letters.causes.date(causes[:limit], wanted, now_ms, _HOURS)
    return causes


def _refuse_stray(ctx: click.Context) -> None:
    """An option before the command would be lost in silence, and the command act on more than was meant."""
    for name in ctx.params:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"options go after the command: relay dead {ctx.invoked_subcommand} …")


def _tell_causes(causes: "list[Cause]", shown: "list[Cause]", limit: int) -> None:
    import msgspec

    from worker.dead.advice import advice

    items = [msgspec.to_builtins(c) | {"advice": advice(c.reason, c.field)} for c in shown]
    totals = {name: {"dead": total, "limit": limit} for name, total in _totals(causes).items()}
    echo_json({"items": items, "next": None, "causes": len(causes), "totals": totals})


def _totals(causes: "list[Cause]") -> dict[str, int]:
    totals: dict[str, int] = {}
    for cause in causes:
        totals[cause.integration] = totals.get(cause.integration, 0) + cause.count
    return totals


def _show_causes(causes: "list[Cause]", shown: "list[Cause]", now_ms: int, limit: int) -> None:
    from worker.dead.advice import advice

    if not causes:
        say("no dead letters")
        return
    totals = _totals(causes)
    whose = ", ".join(f"{name} {count(total)}" for name, total in totals.items())
    fullest = max(totals, key=lambda name: totals[name])
    room = count(max(0, limit - totals[fullest])) + (f" of {fullest}" if len(totals) > 1 else "")
    letters = several(sum(c.count for c in causes), "dead letter")
    say(f"{letters} ({whose}; room for {room} more)")
    say()
    # a pipe has no width of its own, and columns that were cut cannot be searched
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _NO_WIDTH
    for line in causes_table(shown, now_ms, width):
        say(line)
    if len(causes) > len(shown):
        rest = several(sum(c.count for c in causes[len(shown) :]), "letter")
        more = several(len(causes) - len(shown), "more cause")
        say()
        say(f"and {rest} of {more} (--limit)")
    say()
    say("what to do:")
    for text in dict.fromkeys(f"{c.reason}: {advice(c.reason, c.field)}" for c in shown):
        say_lines(click.wrap_text(text, min(100, shutil.get_terminal_size().columns), "  ", "    "))
    say()
    say("next: relay dead list --cause ID, relay dead show LETTER, relay dead replay --cause ID --dry-run")


def causes_table(causes: "list[Cause]", now_ms: int, width: int) -> list[str]:
    """A line a cause; where the terminal is narrow, times and bars make room for what is wrong and the id."""
    rows = [["letters", "integration", "cause", "oldest", "newest", f"last {_HOURS} h", "id"]]
    rows += [
        [
            count(c.count),
            c.integration,
            cause_words(c.reason, c.field, c.status, c.event),
            f"{span(now_ms - c.oldest_ms)} ago",
            f"{span(now_ms - c.newest_ms)} ago",
            sparkline(c.hours),
            c.cause,
        ]
        for c in causes
    ]
    alone = [1] if len({c.integration for c in causes}) == 1 else []
    return columns(fitted(rows, width, [3, 5, *alone, 4], shorten=2), right=[0])


def cause_words(reason: str, field: str, status: int, event: str) -> str:
    """A cause in one line."""
    return " · ".join(filter(None, [reason, field, str(status or ""), event or "(no event name)"]))
