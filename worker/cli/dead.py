"""`relay dead`: what could not be delivered, by cause; list it, show it, work it off."""

import importlib
import shutil
import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.columns import columns, sparkline
from worker.cli.deadfilters import JSON, chosen, filters, open_parts, take_filter
from worker.cli.printing import count, echo_json, span

if TYPE_CHECKING:
    from worker.app import Relay
    from worker.dead.causes import Cause
    from worker.dead.filters import Filter

_HOURS = 12
# name -> (module, what `relay dead --help` says)
_COMMANDS = {
    "list": ("deadlist", "List dead letters, the last to die first."),
    "show": ("deadshow", "Show one with everything that is known of it."),
    "replay": ("deadreplay", "Try letters again, as a job of the workers."),
    "edit": ("deadedit", "Change the event of a letter; the original is kept."),
    "discard": ("deaddiscard", "Give letters up; a trail says who did it and why."),
    "trail": ("deaddiscard", "Show what was discarded, by whom, and why."),
    "export": ("deadexport", "Write letters as NDJSON."),
    "import": ("deadexport", "Put exported letters back that are not there."),
}


class _Lazy(click.Group):
    """Commands that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"worker.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"dead_{cmd_name}")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, invoke_without_command=True)
@filters
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Most causes shown.")
@JSON
@click.pass_context
def dead(ctx: click.Context, /, *, limit: int, as_json: bool, **flags: Any) -> None:
    """Show dead letters by cause: how many, since when, how they come, and what to do.

    With a command, options stand behind it: relay dead list --reason rejected.
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
            raise click.UsageError(f"options stand behind the command: relay dead {ctx.invoked_subcommand} …")


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
        click.echo("no dead letters")
        return
    totals = ", ".join(f"{name} {count(total)}" for name, total in _totals(causes).items())
    number = sum(c.count for c in causes)
    letters = f"{count(number)} dead letter{'' if number == 1 else 's'}"
    click.echo(f"{letters} ({totals}; an integration is held at {count(limit)})\n")
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
        for c in shown
    ]
    for line in columns(rows, right=[0]):
        click.echo(line)
    if len(causes) > len(shown):
        rest = count(sum(c.count for c in causes[len(shown) :]))
        click.echo(f"\nand {rest} letters of {len(causes) - len(shown)} more causes (--limit)")
    click.echo("\nwhat to do:")
    for text in dict.fromkeys(f"{c.reason}: {advice(c.reason, c.field)}" for c in shown):
        click.echo(click.wrap_text(text, min(100, shutil.get_terminal_size().columns), "  ", "    "))
    click.echo("\nnext: relay dead list --cause ID, relay dead show LETTER, relay dead replay --cause ID --dry-run")


def cause_words(reason: str, field: str, status: int, event: str) -> str:
    """A cause in one line."""
    return " · ".join(filter(None, [reason, field, str(status or ""), event or "(no event name)"]))
