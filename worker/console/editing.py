"""Edits of an integrations file from a form: one tab at a time, and only what a person changed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from config.catalogue import catalogue
from config.examine import examine
from config.rewrite import Rewrite, UneditableError
from config.secrets import REFERENCE
from config.statements import Key
from worker.console.form import IntegrationForm, field_of, form_of
from worker.console.rows import Fields, overlaid
from worker.errors import OperatorError
from worker.store.arrivals import Seen

Tab = Literal["account", "events", "properties", "people", "advanced"]
TABS: tuple[Tab, ...] = get_args(Tab)

Seal = Callable[[str], str]
"""Makes a `sealed:` reference of a secret; raises OperatorError where there is no key to seal with."""

Change = tuple[Key, dict[str, Any]]

# The field of an event code that is in no row yet.
NEW_CODE = "events.new.code"


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text; with errors it is the old one, and they are by the form's field (empty: the whole of it)."""

    text: str
    errors: dict[str, str] = field(default_factory=dict)
    changed: bool = False


def edit(text: str, name: str, tab: Tab, fields: Fields, seal: Seal) -> Edited:
    """Put what was posted of one tab into the text; a switch that is not posted is off.

    Only what differs from what the form showed is written, so a form that is saved as it was changes no byte.

    Raises:
        ConfigError: the text is not TOML.
        KeyError: it has errors before any edit, or no such integration.
    """
    form = form_of(text, name, dict.fromkeys(_codes_in(fields), Seen(0, None)))
    try:
        changes = list(_TABS[tab](form, fields, seal))
    except FieldError as error:
        return Edited(text, {error.field: error.text})
    edited = rewritten(text, form.name, form.source, lambda rewrite: _make(rewrite, changes))
    of_new = f"events.{value(fields, NEW_CODE)}.name"  # in no row yet: its error is where it was typed
    return replace(edited, errors={NEW_CODE if at == of_new else at: said for at, said in edited.errors.items()})


def rewritten(text: str, name: str, source: str, act: Callable[[Rewrite], object]) -> Edited:
    """The text after an act on it, if what comes out loads; else its errors by field."""
    rewrite = Rewrite(text)
    try:
        act(rewrite)
    except UneditableError as error:
        return Edited(text, {"": str(error)})
    errors: dict[str, str] = {}
    for place, said in examine(rewrite.text).errors:
        where = field_of(place, name, source)
        about = ".".join(str(key) for key in place)
        errors.setdefault(where, said if where else f"{about}: {said}")
    if errors:
        return Edited(text, errors)
    return Edited(rewrite.text, {}, rewrite.text != text)


def secret_of(fields: Fields, name: str, seal: Seal) -> str | None:
    """The reference for a secret that was typed; None: the field was left empty, so the secret stays.

    Raises:
        FieldError: it cannot be a secret, or cannot be sealed here.
    """
    given = value(fields, name)
    if not given:
        return None
    if given.startswith(("env:", "file:")):
        if REFERENCE.fullmatch(given):
            return given
        raise FieldError(name, "write env:NAME with a name in capitals, or file:/path; or the key itself")
    if not given.isascii() or not given.isprintable() or " " in given:
        raise FieldError(name, "a key has letters, digits and signs without a space; copy it again")
    try:
        return seal(given)
    except OperatorError as error:
        raise FieldError(name, str(error)) from None


def _codes_in(fields: Fields) -> Iterator[str]:
    """The codes of the rows that were posted: the traffic may have brought some that are in no list."""
    for field_name in fields:
        if field_name.startswith("events.") and field_name.endswith(".name") and field_name != "events.new.name":
            yield field_name.removeprefix("events.").removesuffix(".name")


def value(fields: Fields, name: str) -> str:
    """A field's last value, without surrounding spaces; empty where it was not posted."""
    return fields[name][-1].strip() if fields.get(name) else ""


def names_in(text: str) -> list[str]:
    """Names separated by commas or lines."""
    return [one.strip() for one in text.replace("\n", ",").split(",") if one.strip()]


class FieldError(Exception):
    """What was typed into a field cannot be used."""

    def __init__(self, field_name: str, text: str) -> None:
        super().__init__(text)
        self.field, self.text = field_name, text


def _make(rewrite: Rewrite, changes: list[Change]) -> None:
    for table, values in changes:
        rewrite.change(table, values)


def _account(form: IntegrationForm, fields: Fields, seal: Seal) -> Iterator[Change]:
    new: dict[str, Any] = {}
    if ("enabled" in fields) != form.enabled:
        new["enabled"] = not form.enabled
    region = value(fields, "region").lower()
    if region and region != form.region:
        new["region"] = region
    for key in ("site_id", "api_key"):
        reference = secret_of(fields, key, seal)
        if reference is not None:
            new[key] = reference
    yield ("integrations", form.name), new


def _events(form: IntegrationForm, fields: Fields, _seal: Seal) -> Iterator[Change]:
    """Switches and names of the rows, then the switch for all others.

    Rows follow the switch for all when it is turned on; when it is turned off they stay as they are shown.
    """
    every = "events.all" in fields
    new: dict[str, Any] = {}
    for row in form.events:
        on, name = overlaid(fields, f"events.{row.code}", on=row.on, name=row.name)
        if (on, name if on else row.name) != (row.on, row.name):
            new[row.code] = _switch(row.code, on=on, name=name)
        elif form.all_events and not every and row.on and not row.explicit:
            new[row.code] = True
    if every != form.all_events:
        new = {"*": every, **new}
    code = value(fields, NEW_CODE)
    if code:
        name = value(fields, "events.new.name")
        if any(row.code == code for row in form.events) or catalogue().successor(code):
            raise FieldError(NEW_CODE, f"{code} is in the list already; change its row")
        new[code] = _switch(code, on=True, name=name)
    yield ("integrations", form.name, "events"), new


def _switch(own: str, *, on: bool, name: str) -> bool | str:
    return (name if name and name != own else True) if on else False


def _properties(form: IntegrationForm, fields: Fields, _seal: Seal) -> Iterator[Change]:
    new: dict[str, Any] = {}
    for row in form.properties:
        on, name = overlaid(fields, f"properties.{row.property}", on=row.on, name=row.name)
        if (on, name if on else row.name) != (row.on, row.name):
            new[row.property] = _switch(row.property, on=on, name=name)
    yield ("integrations", form.name, "user_properties"), new


def _people(form: IntegrationForm, fields: Fields, _seal: Seal) -> Iterator[Change]:
    own: dict[str, Any] = {}
    anonymous = value(fields, "identity.anonymous")
    if anonymous and anonymous != form.anonymous:
        own["anonymous"] = anonymous
    for key in ("id", "email"):
        given, shown = fields.get(f"identity.{key}"), getattr(form.identity, key)
        if given is not None and names_in(given[-1]) != list(shown or ()):
            own[key] = names_in(given[-1]) or None
    kind = fields.get("identity.email_like_user_id")
    if kind is not None and kind[-1] != (form.identity.email_like_user_id or ""):
        own["email_like_user_id"] = kind[-1] or None
    yield ("integrations", form.name, "identity"), own
    source: dict[str, Any] = {}
    for key in ("id", "email"):
        given = fields.get(f"source.{key}")
        if given is not None and names_in(given[-1]) != list(getattr(form.source_identity, key)):
            source[key] = names_in(given[-1])
    kind = fields.get("source.email_like_user_id")
    if kind is not None and kind[-1] != form.source_identity.email_like_user_id:
        source["email_like_user_id"] = kind[-1]
    yield ("sources", form.source, "identity"), source


def _advanced(form: IntegrationForm, fields: Fields, _seal: Seal) -> Iterator[Change]:
    new: dict[str, Any] = {}
    environments = fields.get("environments", [])
    if set(environments) != set(form.environments):
        new["environments"] = list(environments)
    for key in ("source", "dates", "late", "start"):
        given = value(fields, key)
        if given and given != getattr(form, key):
            new[key] = given
    if "base_url" in fields and value(fields, "base_url") != form.base_url:
        new["base_url"] = value(fields, "base_url") or None
    for key in ("send", "merge_transfers"):
        # a page that does not show a switch must not turn it off: that of `send` would stop everything
        if f"{key}.shown" in fields and (key in fields) != getattr(form, key):
            new[key] = key in fields
    yield ("integrations", form.name), new
    yield ("integrations", form.name, "event_attributes"), dict(_attributes(form, fields))


def _attributes(form: IntegrationForm, fields: Fields) -> Iterator[tuple[str, Any]]:
    for key in ("include", "exclude"):
        given, shown = fields.get(key), getattr(form, key)
        if given is not None and names_in(given[-1]) != list(shown or ()):
            yield key, names_in(given[-1]) or None
    given = fields.get("rename")
    if given is not None:
        pairs = dict(_pairs(given[-1]))
        if pairs != dict(form.rename):
            yield "rename", pairs or None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line.strip():
            name, equals, new = line.partition("=")
            if not equals or not name.strip() or not new.strip():
                raise FieldError("rename", f"{line.strip()[:60]!r} is no pair; write field = another name, one a line")
            yield name.strip(), new.strip()


_TABS: dict[Tab, Callable[[IntegrationForm, Fields, Seal], Iterator[Change]]] = {
    "account": _account,
    "events": _events,
    "properties": _properties,
    "people": _people,
    "advanced": _advanced,
}
