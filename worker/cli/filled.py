"""Values that must not be empty: a filter whose variable was not set would choose everything.

`relay resync --person "$ID"` with nothing in ID was everybody.
"""

from typing import Any

import click

# What may be empty: a note, and who acts (else the OS user). A letter's field and event name may be none, and
# `--field ''`, as `relay jobs` prints it, chooses just these.
_MAY_BE_EMPTY = {"message", "by", "fields", "events"}


def refuse_empty(command: click.Command) -> click.Command:
    """A command, or a group with those in it, that takes no empty text as an argument or an option's value."""
    for param in command.params:
        if isinstance(param.type, click.types.StringParamType) and (param.required or param.name not in _MAY_BE_EMPTY):
            param.callback = _Filled(param.callback)
    if isinstance(command, click.Group):
        for one in command.commands.values():
            refuse_empty(one)
    return command


class _Filled:
    """A parameter's callback, behind the question whether something was written."""

    def __init__(self, callback: Any) -> None:
        self._callback = callback.passed_on if isinstance(callback, _Filled) else callback

    @property
    def passed_on(self) -> Any:
        """What the parameter had before."""
        return self._callback

    def __call__(self, ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        """The value; a default is no question.

        Raises:
            click.BadParameter: it was written, and is empty.
        """
        given = value if isinstance(value, tuple) else (value,)
        is_typed = ctx.get_parameter_source(param.name or "") is click.core.ParameterSource.COMMANDLINE
        if is_typed and any(isinstance(one, str) and not one.strip() for one in given):
            without = (
                "" if param.required or isinstance(param, click.Argument) else "; leave it out to choose without it"
            )
            raise click.BadParameter(f"it is empty, an unset variable perhaps: write what is meant{without}")
        return self._callback(ctx, param, value) if self._callback else value
