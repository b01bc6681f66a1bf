"""The keys of sealed secrets in this process's reach; the cipher is imported only where something is sealed."""

import base64
import os
from contextlib import suppress
from pathlib import Path

from config.secrets import UnresolvedError
from config.settings import Settings
from worker.errors import OperatorError

KEY_FILE = "secret.keys"


def secret_keys(chosen: Settings) -> tuple[str, ...]:
    """RELAY_SECRET_KEYS, else the keys that `relay up` made in the data folder; the first one seals."""
    given = chosen.secret_keys.get_secret_value()
    if not given:
        try:
            given = (chosen.data_dir / KEY_FILE).read_text("utf-8")
        except (OSError, ValueError):
            given = ""
    return tuple(key for key in given.replace("\n", ",").replace(" ", ",").split(",") if key)


def make_key(data_dir: Path) -> None:
    """Make a key for this machine in the data folder, readable only by its owner; an existing key stays."""
    data_dir.mkdir(parents=True, exist_ok=True)
    key = base64.urlsafe_b64encode(os.urandom(32)) + b"\n"  # what Fernet takes
    with (
        suppress(FileExistsError),
        open(  # noqa: PTH123 - with a mode
            os.open(data_dir / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        ) as file,
    ):
        file.write(key)


def unseal(keys: tuple[str, ...], token: str) -> str:
    """The secret in what follows "sealed:".

    Raises:
        UnresolvedError: no key opens it, or a key is none.
    """
    from worker.revisions.seal import Seal  # noqa: PLC0415 - an import of a tenth of a second that most processes do not need

    try:
        return Seal(keys).open(token)
    except OperatorError as error:
        raise UnresolvedError(f"is sealed; {error}") from None
