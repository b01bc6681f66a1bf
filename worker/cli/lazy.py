"""Command group that imports a command's module only when the command is called, so that `relay --help` is fast."""

import difflib
from collections.abc import Callable, Mapping, Sequence

import click
from click.shell_completion import CompletionItem

from worker.cli.examples import give_examples
from worker.cli.filled import refuse_empty
from worker.process.plain import plain, plain_lines


class LazyGroup(click.Group):
    """A group of commands by name: `commands_help` gives each one's line in `--help`, `load` imports it.

    `sections` has the names under the headings of `--help`; without it there is one heading.
    """

    def __init__(
        self,
        *args: object,
        commands_help: Mapping[str, str],
        load: Callable[[str], click.Command],
        sections: Mapping[str, Sequence[str]] | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own parameters, passed on
        self.commands_help = commands_help
        self._load = load
        self._sections = sections or {"Commands": tuple(commands_help)}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(self.commands_help)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, if there is one of that name."""
        if cmd_name not in self.commands_help:
            return None
        _, _, above = ctx.command_path.partition(" ")  # without the program's own name
        return give_examples(refuse_empty(self._load(cmd_name)), f"{above} {cmd_name}".strip())

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, without importing anything; then the group's own options."""
        found = [
            CompletionItem(name, help=text) for name, text in self.commands_help.items() if name.startswith(incomplete)
        ]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; a mistyped one is refused with the nearest name."""
        if args and not args[0].startswith("-") and args[0] not in self.commands_help:
            near = difflib.get_close_matches(args[0], self.commands_help, 1)
            hint = f'did you mean "{near[0]}"?' if near else f"{ctx.command_path} --help lists them"
            ctx.fail(f'unknown command "{args[0]}"; {hint}')
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; what its errors repeat of what strangers wrote does not act on the terminal."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            is_help = isinstance(error, click.exceptions.NoArgsIsHelpError)  # lines of our own
            vars(error)["message"] = "\n".join(plain_lines(error.message)) if is_help else plain(error.message)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """The tables, without importing anything."""
        for title, names in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands_help[name]) for name in names])
