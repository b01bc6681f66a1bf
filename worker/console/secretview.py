"""Secrets as a page may show them: where they are, who set them and when; never what they are."""

import tomllib
from dataclasses import dataclass
from typing import Any, Final, Literal

from worker.errors import OperatorError
from worker.revisions.store import Revision, Revisions

Kind = Literal["sealed", "env", "file", "none"]

# A revision is as large as the file: what is older is not looked for.
_LOOKED_AT: Final = 50


@dataclass(frozen=True, slots=True)
class SecretView:
    """One secret: its kind, the variable or path that names it (empty when sealed), and the revision that set it.

    `at_ms` None: it was set before the revisions that were looked at, or is not in force yet.
    """

    kind: Kind
    where: str
    at_ms: int | None = None
    by: str = ""
    revision: int = 0


def view_secret(revisions: Revisions, running: Revision, text: str, name: str, key: str) -> SecretView:
    """The secret `key` of an integration in a text; `running` is the revision in force."""
    reference = _reference(text, name, key)
    kind, _, where = reference.partition(":")
    shown: Kind = kind if kind in {"sealed", "env", "file"} else "none"  # type: ignore[assignment]
    setter = _setter(revisions, running, name, key, reference) if reference else None
    if setter is None:
        return SecretView(shown, "" if shown == "sealed" else where)
    return SecretView(shown, "" if shown == "sealed" else where, setter.at_ms, setter.by, setter.number)


def _setter(revisions: Revisions, running: Revision, name: str, key: str, reference: str) -> Revision | None:
    """The oldest revision in an unbroken row up to the running one that has the reference."""
    if _reference(running.text, name, key) != reference or not running.number:
        return None
    found = running
    for number in range(running.number - 1, max(0, running.number - _LOOKED_AT), -1):
        try:
            former = revisions.get(number)
        except OperatorError:
            return None
        if _reference(former.text, name, key) != reference:
            return found
        found = former
    return found if found.number == 1 else None


def _reference(text: str, name: str, key: str) -> str:
    try:
        data: Any = tomllib.loads(text)
        reference = data["integrations"][name][key]
    except (ValueError, KeyError, TypeError):
        return ""
    return reference if isinstance(reference, str) else ""
