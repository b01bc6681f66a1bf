"""`relay seal`: encrypt a secret, so that it can be kept in a file."""

import sys

import click

from worker.cli.printing import echo_json, say
from worker.errors import OperatorError


@click.command()
@click.option("--new-key", is_flag=True, help="Print a new key for RELAY_SECRET_KEYS instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def seal(*, new_key: bool, as_json: bool) -> None:
    """Seal the secret on standard input; prints what to write in the file instead of "env:NAME".

    Only processes with one of the same RELAY_SECRET_KEYS can open it. It cannot be shown again.
    """
    from worker.app import read_settings
    from worker.revisions.keyring import secret_keys
    from worker.revisions.seal import Seal
    from worker.revisions.seal import new_key as make_key

    if new_key:
        key = make_key()
        echo_json({"key": key}) if as_json else say(key)
        return
    keys = Seal(secret_keys(read_settings()))
    secret = click.prompt("secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read()
    if not secret.strip():
        raise OperatorError("nothing to seal: write the secret to standard input")
    sealed = keys.seal(secret.strip())
    echo_json({"sealed": sealed}) if as_json else say(sealed)
