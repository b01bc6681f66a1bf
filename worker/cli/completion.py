"""`relay completion`: the script that makes a shell complete commands, options and names."""

import click
from click.shell_completion import get_completion_class

from worker.cli.printing import say_lines
from worker.cli.shells import correct_shells
from worker.errors import OperatorError

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script for SHELL that completes commands, options, and the names of integrations, groups and jobs.

    For one terminal: eval it; for all: in the shell's own start-up file. Names come from the relay that the
    environment names (RELAY_REDIS_URL or RELAY_DATA_DIR).
    """
    say_lines(script(shell))


def script(shell: str) -> str:
    """The script of a shell.

    Raises:
        OperatorError: there is none for it.
    """
    correct_shells()
    made = get_completion_class(shell)
    if made is None:
        raise OperatorError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    complete = made(root, {}, "relay", "_RELAY_COMPLETE")
    return complete.source_template % complete.source_vars()
