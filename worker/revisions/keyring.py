"""The keys of sealed secrets in this process's reach; the cipher is imported only where something is sealed."""

from config.settings import Settings

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


def unseal(keys: tuple[str, ...], token: str) -> str:
    """The secret in what follows "sealed:".

    Raises:
        UnresolvedError: no key opens it.
        OperatorError: a key is no key.
    """
    from worker.revisions.seal import Seal  # noqa: PLC0415 - a tenth of a second that most have no use for

    return Seal(keys).open(token)
