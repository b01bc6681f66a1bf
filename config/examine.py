"""Examination of an integrations file: each error and each warning at its place, for a form that shows them there."""

from typing import NamedTuple

from pydantic import ValidationError

from config import document
from config.advice import advice
from config.errors import Finding, dotted
from config.rules import broken_rules
from config.shape import FileTable
from config.wording import findings


class Examined(NamedTuple):
    """What a text says (None while it has errors), its errors and its warnings, each at its place."""

    file: FileTable | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def examine(text: str) -> Examined:
    """What is wrong with a text, and what works but is hardly intended; secrets are not looked for.

    Raises:
        ConfigError: the text is not TOML.
    """
    data = document.parse(text, "").data
    found = list(broken_rules(data))
    file = None
    try:
        file = FileTable.model_validate(data)
    except ValidationError as error:
        found += findings(error)
    if file is None or found:
        return Examined(None, tuple(found), ())
    return Examined(file, (), tuple(advice(file, {})))


def new_warnings(before: str, after: str) -> list[str]:
    """What a text is warned of that the one before was not, each with its key.

    Raises:
        ConfigError: one of them is not TOML.
    """
    known = set(examine(before).warnings)
    return [f"{dotted(place)}: {said}" for place, said in examine(after).warnings if (place, said) not in known]
