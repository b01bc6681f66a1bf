"""`relay dead`: what could not be delivered, by what has to be fixed; list it, show it, work it off."""

import time
from typing import TYPE_CHECKING, Any

import click

from worker.cli.dead.choice import choose
from worker.cli.dead.options import JSON, filters
from worker.cli.dead.rows import row
from worker.cli.lazy import LazyGroup
from worker.cli.parts import open_parts
from worker.cli.printing import echo_json
from worker.cli.watching import EVERY, WATCH, Rates, repeat, show_lines

if TYPE_CHECKING:
    from worker.dead.groups import Group

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
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many groups to show.")
@WATCH
@EVERY
@JSON
@click.pass_context
def dead(ctx: click.Context, /, *, limit: int, watch: bool, every_s: float, as_json: bool, **flags: Any) -> None:
    """Show dead letters by what has to be fixed: how many, where, since when, and what to do.

    The other commands take a group by its number, which stays the same while anybody looks at it. Options go after
    the command: relay dead list --reason rejected.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_stray(ctx)
        return
    parts = open_parts()
    choice, bound = choose(parts, (), flags, by_default=True), parts.settings.dead_limit
    every_s, rates = every_s if watch else 0, Rates()

    def read() -> "list[Group]":
        wanted = choice.filters[0]
        return parts.dead_groups.list(wanted.integrations or choice.integrations, wanted, _now_ms(), limit=limit)

    def tell() -> None:
        from worker.ledger.figures import Ledger

        groups = read()
        echo_json(_told(groups, groups[:limit], bound, Ledger(parts).owning_file()))

    def draw(width: int) -> list[str]:
        from worker.cli.dead.picture import picture

        groups = read()
        new = rates.of({str(one.number): (one.count,) for one in groups})
        if not groups:
            return ["no dead letters"]
        tried = {name: one.identity.id_fields for name, one in parts.integrations.integrations.items()}
        return picture(groups, limit, _now_ms(), width, bound, tried, new if watch else None)

    if as_json:
        repeat(tell, every_s)
    else:
        show_lines(draw, every_s)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _refuse_stray(ctx: click.Context) -> None:
    """An option before the command would be lost in silence, and the command act on more than was meant."""
    for name in ctx.params:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"options go after the command: relay dead {ctx.invoked_subcommand} …")


def _told(groups: "list[Group]", shown: "list[Group]", limit: int, file: str) -> dict[str, Any]:
    """The groups, and each of their causes, for programs; `file` owns the configuration."""
    import msgspec

    from worker.cli.dead.picture import totals_of
    from worker.dead.advice import advice

    causes = sorted((c for one in shown for c in one.causes), key=lambda c: (-c.count, c.integration, c.cause))
    numbers = {c.cause: one.number for one in shown for c in one.causes}
    return {
        "items": [
            msgspec.to_builtins(c) | {"group": numbers[c.cause], "advice": advice(c.reason, c.field, file)}
            for c in causes
        ],
        "next": None,
        "groups": [row(one) for one in shown],
        "causes": sum(len(one.causes) for one in groups),
        "totals": {name: {"dead": total, "limit": limit} for name, total in totals_of(groups).items()},
    }
