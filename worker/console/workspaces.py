"""Sources and integrations added to a text, duplicated, switched on and off, and removed."""

from typing import Any, Final

from config.examine import examine
from config.statements import Key
from worker.console.editing import Edited, FieldError, Seal, rewritten, secret_of, value
from worker.console.rows import Fields

# The form's names are those of the integrations file.
_SECRETS: Final = ("site_id", "api_key")
_LABELS: Final = {"site_id": "Customer.io Site ID", "api_key": "Customer.io API key"}
_WHERE: Final = "Settings, API credentials, Tracking API keys"


def add_source(text: str, fields: Fields, seal: Seal) -> Edited:
    """Add an app that sends: `source.name`, and `webhook_secret` or `token`. An empty text begins a file."""
    name = value(fields, "source.name")
    try:
        table = _given({"webhook_secret": secret_of(fields, "webhook_secret", seal)})
        token = secret_of(fields, "token", seal)
    except FieldError as error:
        return Edited(text, {error.field: error.text})
    if token:
        table["tokens"] = [token]
    if not table:
        return Edited(
            text, {"webhook_secret": "paste the client shared secret of Purchasely's console, or give a token"}
        )
    return _added(text, ("sources", name), table, "source.name")


def add_integration(text: str, fields: Fields, seal: Seal) -> Edited:
    """Add a workspace: `name`, `source`, `region`, `site_id`, `api_key`, `base_url`, `environments`, `events.all`."""
    name = value(fields, "name")
    try:
        keys = {key: secret_of(fields, key, seal) for key in _SECRETS}
    except FieldError as error:
        return Edited(text, {error.field: error.text})
    missing = {key: f"the {_LABELS[key]} is missing: copy it from {_WHERE}" for key in keys if not keys[key]}
    if missing:
        return Edited(text, missing)
    table = _given({"source": value(fields, "source"), "region": value(fields, "region").lower(), **keys})
    table |= _given({"base_url": value(fields, "base_url")})
    environments = fields.get("environments", [])
    if environments:
        table["environments"] = list(environments)
    if "events.all" in fields:
        table["events"] = {"*": True}
    return _added(text, ("integrations", name), table, "name")


def duplicate(text: str, name: str, fields: Fields, seal: Seal) -> Edited:
    """Add a copy for test purchases, under the field `name` (else NAME-sandbox), with the same events and properties.

    Without keys of its own it is switched off, so that no test purchase reaches the workspace it was copied from.

    Raises:
        KeyError: there is no such integration.
    """
    _check(text, name)
    new = value(fields, "name") or f"{name}-sandbox"
    try:
        changes = _given({key: secret_of(fields, key, seal) for key in _SECRETS})
    except FieldError as error:
        return Edited(text, {error.field: error.text})
    changes |= {"environments": ["SANDBOX"], "enabled": len(changes) == len(_SECRETS)}
    region = value(fields, "region").lower()
    if region:
        changes["region"] = region
    if taken := _taken(text, ("integrations", new)):
        return Edited(text, {"name": taken})
    edited = rewritten(text, new, "", lambda rewrite: rewrite.copy(("integrations", name), new, changes))
    return _at_name(edited, ("integrations", new), "name")


def remove(text: str, name: str) -> Edited:
    """Remove an integration; what waits for it is given up when that is published.

    Raises:
        KeyError: there is no such integration.
    """
    _check(text, name)
    return rewritten(text, name, "", lambda rewrite: rewrite.remove(("integrations", name)))


def _check(text: str, name: str) -> None:
    file = examine(text).file
    if file is None or name not in file.integrations:
        raise KeyError(name)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in values.items() if one}


def _added(text: str, place: Key, table: dict[str, Any], name_field: str) -> Edited:
    if taken := _taken(text, place):
        return Edited(text, {name_field: taken})
    edited = rewritten(text, place[1], "", lambda rewrite: rewrite.add(place, table))
    return _at_name(edited, place, name_field)


def _taken(text: str, place: Key) -> str:
    """Why a name cannot be used; empty where it can."""
    kind, name = place
    if not name:
        return "give it a name, as production or my-app"
    file = examine(text).file
    known = set() if file is None else set(file.sources if kind == "sources" else file.integrations)
    return f"{name} is there already; choose another name" if name in known else ""


def _at_name(edited: Edited, place: Key, name_field: str) -> Edited:
    """Errors about the new table itself, at the field of its name."""
    about = f"{'.'.join(place)}: "
    said = edited.errors.get("", "")
    if not said.startswith(about):
        return edited
    return Edited(edited.text, {**{k: v for k, v in edited.errors.items() if k}, name_field: said.removeprefix(about)})
