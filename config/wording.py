"""Pydantic's errors in our words: what is wrong with a value, and what to write instead."""

from collections.abc import Iterable, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from config.catalogue import nearest
from config.errors import Finding, Place, dotted, quoted
from config.shape import (
    EventAttributesTable,
    FileTable,
    IdentityTable,
    IntegrationTable,
    SourceIdentityTable,
    SourceTable,
    Table,
)

# What to write for a key that must be there.
_EXAMPLES = {
    "sources": "[sources.my-app]",
    "source": 'source = "my-app", one of [sources]',
    "region": 'region = "eu" or region = "us"',
    "site_id": 'site_id = "env:CUSTOMERIO_SITE_ID"',
    "api_key": 'api_key = "env:CUSTOMERIO_API_KEY"',
}
_TYPES = {
    "bool_type": "must be a switch; write true or false",
    "string_type": 'must be text; write it in quotes, as "..."',
    "int_type": "must be a whole number; write it without quotes or point",
    "list_type": 'must be a list; write ["..."]',
    "greater_than_equal": "must not be negative; write 0 or more",
    "too_short": "is empty; name at least one",
}
_TABLE_TYPES = {"dict_type", "model_type", "model_attributes_type"}


def findings(error: ValidationError) -> Iterator[Finding]:
    """Each error, at its place in the file."""
    for detail in error.errors(include_url=False):
        # pydantic marks an error in a key, not in its value, by one more step
        place = detail["loc"][:-1] if detail["loc"][-1:] == ("[key]",) else detail["loc"]
        yield Finding(place, _text(detail, place))


def of_settings(error: ValidationError) -> list[str]:
    """Each error of the environment variables, as one line that says which is wrong and what to write."""
    return [_of_setting(detail) for detail in error.errors(include_url=False)]


def _of_setting(detail: ErrorDetails) -> str:
    kind, given, facts = detail["type"], detail["input"], detail.get("ctx", {})
    where = "_".join(str(part) for part in detail["loc"]).upper()
    bound = next((facts[name] for name in ("ge", "gt", "le", "lt") if name in facts), 0)
    texts = {
        "int_parsing": f"{quoted(str(given))} is no whole number",
        "int_from_float": f"{quoted(str(given))} is no whole number",
        "float_parsing": f"{quoted(str(given))} is no number",
        "bool_parsing": f"{quoted(str(given))} is no switch; write true or false",
        "greater_than_equal": f"{given} is too little; write {bound:g} or more",
        "greater_than": f"{given} is too little; write more than {bound:g}",
        "less_than_equal": f"{given} is too much; write {bound:g} or less",
        "literal_error": f"{quoted(str(given))} is not possible; write {facts.get('expected', '')}".replace("'", ""),
    }
    text = texts.get(kind, detail["msg"].removeprefix("Value error, "))
    if kind == "int_parsing" and str(given).startswith("tcp://"):
        text += "; Kubernetes sets it after a Service of that name: write enableServiceLinks: false in the pod's spec"
    return f"RELAY_{where}: {text}" if where else text


def _text(detail: ErrorDetails, place: Place) -> str:
    kind, key = detail["type"], str(place[-1]) if place else ""
    if kind == "missing":
        return f"is missing; write {_EXAMPLES[key]}"
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "literal_error":
        value = detail["input"]
        shown = quoted(value) if isinstance(value, str) else "this"
        choice = detail["ctx"]["expected"].replace("'", '"')
        return f"{shown} is not possible; write {choice}"
    if kind in _TABLE_TYPES:
        return f"must be a table; write [{dotted(place)}] and its keys below"
    return _TYPES.get(kind, detail["msg"])


def _unknown_key(place: Place) -> str:
    above, key = place[:-1], str(place[-1])
    known = _table_at(above).model_fields
    if key == "placeholders" and above[:1] == ("integrations",):
        return "unknown key; placeholders belong to the source, under [sources.NAME.identity]"
    if len(above) == 3 and above[0] == "sources" and key == "anonymous":
        return "unknown key here; each integration chooses, under [integrations.NAME.identity]"
    if len(above) == 3 and above[0] == "integrations" and key in IntegrationTable.model_fields:
        return f"unknown key here; move it up, under [{dotted(above[:-1])}]"
    similar = nearest(key, known)
    return f"unknown key; write {similar or either(known)}"


def either(names: Iterable[str]) -> str:
    """Names to choose from: `a, b or c`."""
    *most, last = sorted(names)
    return f"{', '.join(most)} or {last}" if most else last


def _table_at(place: Place) -> type[Table]:
    match place:
        case ("sources", _):
            return SourceTable
        case ("integrations", _):
            return IntegrationTable
        case ("sources", _, "identity"):
            return SourceIdentityTable
        case ("integrations", _, "identity"):
            return IdentityTable
        case ("integrations", _, "event_attributes"):
            return EventAttributesTable
        case _:
            return FileTable
