"""`relay config reseal`: the sealed secrets of a file under the first key."""

import re
from pathlib import Path

import click

from worker.cli.printing import count, echo_json, say
from worker.errors import OperatorError

_SEALED = re.compile(r"sealed:[A-Za-z0-9_=-]+")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reseal(file: Path, *, as_json: bool) -> None:
    """Seal every sealed secret of FILE again, under the first of RELAY_SECRET_KEYS, and write the file.

    Put the new key in front of the old one, reseal, apply or deploy; then the old key may go. `relay config export`
    gives the file of the configuration in force.
    """
    from config.secrets import UnresolvedError
    from worker.app import read_settings
    from worker.revisions.keyring import secret_keys
    from worker.revisions.live import read_file
    from worker.revisions.seal import Seal

    text, seal = read_file(file), Seal(secret_keys(read_settings()))
    found = 0
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            lines.append(_SEALED.sub(lambda match: seal.reseal(match[0]), line))
        except UnresolvedError as error:
            raise OperatorError(f"{file}:{number}: {error}") from None
        found += len(_SEALED.findall(line))
    if found:
        file.write_text("\n".join(lines), "utf-8")
    if as_json:
        echo_json({"file": str(file), "resealed": found})
    else:
        say(f"{file}: {count(found)} {'secret' if found == 1 else 'secrets'} sealed again")
