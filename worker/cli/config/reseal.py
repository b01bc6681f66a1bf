"""`relay config reseal`: the sealed secrets of a file under the first key."""

import re
import sys
from pathlib import Path

import click

from worker.cli.printing import echo_json, say, several
from worker.errors import OperatorError

_SEALED = re.compile(r"sealed:[A-Za-z0-9_=-]+")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reseal(file: Path, *, as_json: bool) -> None:
    """Seal every sealed secret of FILE again, under the first of RELAY_SECRET_KEYS, and write the file.

    Put the new key in front of the old one, reseal, apply or deploy; then the old key may go. `relay config export`
    gives the file of the configuration in force. What is given as standard input (-) is printed.
    """
    from config.secrets import UnresolvedError
    from worker.app import read_settings
    from worker.cli.given import is_standard_input, read_given, spoken
    from worker.revisions.keyring import secret_keys
    from worker.revisions.seal import Seal

    text, seal = read_given(file), Seal(secret_keys(read_settings()))
    found = 0
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            lines.append(_SEALED.sub(lambda match: seal.reseal(match[0]), line))
        except UnresolvedError as error:
            raise OperatorError(f"{spoken(file)}:{number}: {error}") from None
        found += len(_SEALED.findall(line))
    if is_standard_input(file):
        sys.stdout.buffer.write("\n".join(lines).encode())  # the file, whatever the terminal's characters
    elif found:
        _write(file, "\n".join(lines))
    if is_standard_input(file):
        say(f"{several(found, 'secret')} sealed again", err=True)
    elif as_json:
        echo_json({"file": str(file), "resealed": found})
    else:
        say(f"{file}: {several(found, 'secret')} sealed again")


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as fault:
        raise OperatorError(f"{file}: cannot be written ({fault.strerror}); give - < FILE, and it is printed") from None
