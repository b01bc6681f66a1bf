"""`python -m tests.support.configuration`: write the tables of docs/configuration.md from schema and settings."""

import json
import types
import typing
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.settings import Settings
from config.shape import (
    EventAttributesTable,
    FileTable,
    IdentityTable,
    IntegrationTable,
    SourceIdentityTable,
    SourceTable,
    Table,
)
from config.values import Secret, Secrets

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
_TABLES: dict[str, type[Table]] = {
    "[sources.NAME]": SourceTable,
    "[sources.NAME.identity]": SourceIdentityTable,
    "[integrations.NAME]": IntegrationTable,
    "[integrations.NAME.identity]": IdentityTable,
    "[integrations.NAME.event_attributes]": EventAttributesTable,
    "the top": FileTable,
}
_SECRETS = {id(typing.get_args(Secret)[1]), id(typing.get_args(Secrets)[1])}


def parts() -> dict[str, str]:
    """What belongs between the page's marks, by the name of the mark."""
    return {"file": _file(), "variables": _variables()}


def written(page: str) -> str:
    """The page with its tables as they should be."""
    for name, text in parts().items():
        before, rest = page.split(f"<!-- {name} -->\n", 1)
        after = rest.split(f"<!-- /{name} -->", 1)[1]
        page = f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{after}"
    return page


def _file() -> str:
    sections = []
    for title, table in _TABLES.items():
        rows = [
            f"| `{name}` | {_takes(field)} | {_default(field)} | {field.description} |"
            for name, field in table.model_fields.items()
            if field.description
        ]
        said = " ".join((table.__doc__ or "").split()).partition(": ")[2]
        heading = f"### `{title}`" if title.startswith("[") else "### At the top of the file"
        intro = [] if table is FileTable else [said[:1].upper() + said[1:], ""]
        sections += [heading, "", *intro, "| key | takes | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(sections).strip()


def _takes(field: FieldInfo) -> str:
    if _SECRETS & {id(one) for one in field.metadata}:
        several = typing.get_origin(field.annotation) is list
        return "a secret's reference, or a list of them" if several else "a secret's reference"
    return _words(field.annotation)


def _words(kind: typing.Any) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _words(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin in {typing.Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_words(one) for one in arguments if one is not types.NoneType))
    if origin is list:
        inner = _words(arguments[0])
        return f"list of {inner if inner.startswith('`') else 'texts'}"
    if origin is dict:
        return f"table of {_words(arguments[1])}"
    return {bool: "`true`, `false`", str: "text", int: "whole number", float: "number", Path: "path"}.get(kind, "text")


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value is None or value in ("", [], {}):
        return ""
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, Path) else str(value)
    return f"`{text}`" if len(text) < 60 else "see `config/shape.py`"


def _variables() -> str:
    rows = [
        f"| `RELAY_{name.upper()}` | {_unit(name)} | {_default(field).replace(chr(34), '')} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | unit | default | meaning |", "|---|---|---|---|", *rows])


def _unit(name: str) -> str:
    for end, unit in (("_s", "seconds"), ("_ms", "milliseconds"), ("_bytes", "bytes"), ("_percent", "%")):
        if name.endswith(end) and not name.endswith("per_s"):
            return unit
    return "per second" if name.endswith("per_s") else ""


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
