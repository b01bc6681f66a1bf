"""Command group that imports a command's module only when the command is called, so that `relay --help` is fast."""

from collections.abc import Callable, Mapping

import click


class LazyGroup(click.Group):
    """A group of commands by name: `commands_help` gives each one's line in `--help`, `load` imports it."""

    def __init__(
        self, *args: object, commands_help: Mapping[str, str], load: Callable[[str], click.Command], **kwargs: object
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own parameters, passed on
        self.commands_help = commands_help
        self._load = load

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(self.commands_help)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command, if there is one of that name."""
        return self._load(cmd_name) if cmd_name in self.commands_help else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.commands_help.items()))
