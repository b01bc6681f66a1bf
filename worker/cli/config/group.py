"""`relay config`: plan, apply, show, log, diff, export, rollback, reseal."""

import click

from worker.cli.lazy import LazyGroup

_COMMANDS = {
    "plan": "Show what a file would change: in words, and on the traffic of the last days.",
    "apply": "Show the plan, ask, and put a file in force on every host.",
    "show": "Show the revision in force, or another one.",
    "log": "Show all revisions: when, who, why.",
    "diff": "Show what differs between two revisions.",
    "export": "Print a revision as a file.",
    "rollback": "Put the content of a former revision in force again.",
    "reseal": "Seal the secrets of a file again, under the first key.",
}


def _load(name: str) -> click.Command:
    from worker.cli.config import history, publish
    from worker.cli.config.plan import plan
    from worker.cli.config.reseal import reseal

    commands = {
        "plan": plan,
        "apply": publish.apply,
        "rollback": publish.rollback,
        "show": history.show,
        "log": history.log,
        "diff": history.diff,
        "export": history.export,
        "reseal": reseal,
    }
    return commands[name]


@click.group(cls=LazyGroup, commands_help=_COMMANDS, load=_load)
def config() -> None:
    """See and change the configuration in force."""
