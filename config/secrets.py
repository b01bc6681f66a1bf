"""Secret references of an integrations file (`env:`, `file:`, `sealed:`), and what they come to in this process."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from config.errors import Finding, Place

# A secret is a line; what is longer is not the file that was meant.
_LIMIT_BYTES = 65_536

REFERENCE = re.compile(r"env:[A-Z_][A-Z0-9_]*|file:/[^\x00-\x1f\x7f]+|sealed:[A-Za-z0-9_=-]+")


class UnresolvedError(Exception):
    """A reference leads to no secret here; the message says what is missing and what to do, never a secret."""


def _no_keys(_token: str) -> str:
    raise UnresolvedError("is sealed; set RELAY_SECRET_KEYS to the keys that `relay seal` used")


class Secrets:
    """Resolves references in one process; `unseal` opens what follows "sealed:".

    Files are remembered by time and size, so that `changed` tells when one was replaced.
    """

    def __init__(self, environ: Mapping[str, str], unseal: Callable[[str], str] = _no_keys) -> None:
        self._environ = environ
        self._unseal = unseal
        self._files: dict[Path, tuple[int, ...]] = {}

    def resolve(self, reference: str) -> str:
        """The secret that a reference names.

        Raises:
            UnresolvedError: there is none.
        """
        kind, _, rest = reference.partition(":")
        if kind == "env":
            secret, what = self._environ.get(rest, ""), f"environment variable {rest}"
            if not secret.strip():
                state = "empty" if rest in self._environ else "not set"
                raise UnresolvedError(f"{what} is {state}; set it, or name another one")
        elif kind == "file":
            secret = self._read(Path(rest))
        else:
            secret = self._unseal(rest)
        # files mounted as variables often end in a newline, which is never part of the secret
        return secret.strip()

    def changed(self) -> bool:
        """Whether a file that a secret was read from (or missing from) is another one now."""
        return any(_stamp(path) != stamp for path, stamp in self._files.items())

    def forget_files(self) -> None:
        """Begin over: only files resolved from now on are watched."""
        self._files.clear()

    def _read(self, path: Path) -> str:
        self._files[path] = _stamp(path)
        try:
            with path.open("rb") as file:
                content = file.read(_LIMIT_BYTES + 1)
        except (OSError, ValueError) as fault:
            reason = getattr(fault, "strerror", None) or "impossible path"
            raise UnresolvedError(f"file {path} cannot be read ({reason}); mount it, or name another one") from None
        secret = content.decode("utf-8", "surrogateescape")
        if not secret.strip() or len(content) > _LIMIT_BYTES:
            state = "empty" if not secret.strip() else f"longer than {_LIMIT_BYTES} bytes"
            raise UnresolvedError(f"file {path} is {state}; write the secret into it")
        return secret


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        about = path.stat()
    except (OSError, ValueError):
        return ()
    return about.st_mtime_ns, about.st_size, about.st_ino


def references(data: object) -> Iterator[tuple[Place, str, bool]]:
    """Every well-formed reference of a file's bare data with its place, and whether anything needs it now.

    A switched-off integration's credentials are left out; those of one in shadow, which sends nothing, are not needed.
    """
    for name, table in _tables(data, "sources"):
        for key in ("webhook_secret", "tokens"):
            for place, reference in _values(("sources", name, key), table.get(key)):
                yield place, reference, True
    for name, table in _tables(data, "integrations"):
        if table.get("enabled", True) is not False:
            for key in ("site_id", "api_key"):
                for place, reference in _values(("integrations", name, key), table.get(key), several=False):
                    yield place, reference, table.get("send", True) is not False


def _tables(data: object, key: str) -> Iterator[tuple[str, dict[str, object]]]:
    above = data.get(key) if isinstance(data, dict) else None
    for name, table in above.items() if isinstance(above, dict) else ():
        if isinstance(table, dict):
            yield name, table


def _values(place: Place, value: object, *, several: bool = True) -> Iterator[tuple[Place, str]]:
    if isinstance(value, list) and several:
        for position, one in enumerate(value):
            yield from _values((*place, position), one, several=False)
    elif isinstance(value, str) and REFERENCE.fullmatch(value):
        yield place, value


def resolve_all(data: object, secrets: Secrets) -> tuple[dict[str, str], list[Finding]]:
    """The secrets of a file by reference, and a finding for each one that is missing here.

    Those that nothing needs now are found where they are, and not missed where they are not.
    """
    secrets.forget_files()
    found: dict[str, str] = {}
    missing: list[Finding] = []
    for place, reference, needed in references(data):
        try:
            found[reference] = secrets.resolve(reference)
        except UnresolvedError as error:
            if needed:
                missing.append(Finding(place, str(error)))
    return found, missing
