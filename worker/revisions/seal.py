"""Sealed secrets: text that only the holders of RELAY_SECRET_KEYS can open (Fernet: AES-128-CBC with HMAC-SHA256)."""

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from config.secrets import UnresolvedError
from worker.errors import OperatorError

PREFIX = "sealed:"


def new_key() -> str:
    """A new key."""
    return Fernet.generate_key().decode()


class Seal:
    """Seals with the first key and opens with any: a new key goes in front, the old one stays until all is resealed."""

    def __init__(self, keys: Sequence[str]) -> None:
        fernets = []
        for position, key in enumerate(keys, 1):
            try:
                fernets.append(Fernet(key))
            except ValueError:  # its text may hold the key
                raise OperatorError(
                    f"RELAY_SECRET_KEYS: key {position} is no key; `relay seal --new-key` makes one"
                ) from None
        self._fernets = MultiFernet(fernets) if fernets else None

    def seal(self, secret: str) -> str:
        """A reference that stands for the secret in an integrations file.

        Raises:
            OperatorError: there is no key.
        """
        return PREFIX + self._some().encrypt(secret.encode()).decode()

    def reseal(self, reference: str) -> str:
        """The same secret under the first key.

        Raises:
            UnresolvedError: no key opens it.
        """
        try:
            return PREFIX + self._some().rotate(reference.removeprefix(PREFIX).encode()).decode()
        except InvalidToken:
            raise UnresolvedError(_UNFIT) from None

    def open(self, token: str) -> str:
        """The secret in what follows "sealed:".

        Raises:
            UnresolvedError: no key opens it.
        """
        if self._fernets is None:
            raise UnresolvedError("is sealed; set RELAY_SECRET_KEYS to the keys that `relay seal` used")
        try:
            return self._fernets.decrypt(token.encode()).decode("utf-8", "replace")
        except InvalidToken:
            raise UnresolvedError(_UNFIT) from None

    def _some(self) -> MultiFernet:
        if self._fernets is None:
            raise OperatorError("no key to seal with; set RELAY_SECRET_KEYS (`relay seal --new-key` makes a key)")
        return self._fernets


_UNFIT = "is sealed with none of the keys in RELAY_SECRET_KEYS; add the key it was sealed with, or seal it again"
