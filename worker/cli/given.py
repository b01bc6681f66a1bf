"""Files that a command is given: by name, or as standard input by who must not show them to the command's user.

Where commands run as the processes do (`deploy/systemd/relay`), they do not see the folders of who types them.
"""

import io
import os
import pwd
import sys
from pathlib import Path
from typing import Any

import click

from worker.errors import OperatorError


class GivenFile(click.File):
    """A file to read, or - for standard input."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open it; a file that must not be read is refused with the other way to give it."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as problem:
            if isinstance(problem.__context__, PermissionError):
                self.fail(f"{value}: {unreadable()}", param, ctx)
            raise


def read_given(path: Path) -> str:
    """The text of an integrations file that is not (yet) in force; - is standard input.

    Raises:
        OperatorError: it cannot be read.
    """
    from worker.revisions.owner import read_file

    if is_standard_input(path):
        try:
            return io.TextIOWrapper(io.BytesIO(sys.stdin.buffer.read()), "utf-8-sig").read()
        except UnicodeDecodeError:
            raise OperatorError(f"{spoken(path)}: not UTF-8; save it as UTF-8") from None
    try:
        path.open("rb").close()
    except PermissionError:
        raise OperatorError(f"{path}: {unreadable()}") from None
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or "impossible path"
        raise OperatorError(f"{path}: cannot be read ({reason}); name another file, or - for standard input") from None
    return read_file(path)


def is_standard_input(path: Path) -> bool:
    """Whether a path on the command line means standard input."""
    return str(path) == "-"


def spoken(path: Path) -> str:
    """What a message calls it."""
    return "standard input" if is_standard_input(path) else str(path)


def unreadable() -> str:
    """That the user of this process may not read a file, and how to give it all the same."""
    return f"the user {_user()} may not read it; give its text instead (- < FILE), or a copy in /tmp"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
