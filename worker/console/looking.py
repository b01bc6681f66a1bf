"""Rows of a form while somebody types: what is to be said of each, before anything is saved."""

from collections.abc import Iterator, Mapping

from config.effective import Integration
from worker.console.editing import NEW_CODE, Seal, Tab, edit
from worker.console.form import IntegrationForm, form_of
from worker.console.rows import Fields
from worker.console.visit import Screen
from worker.store.arrivals import Seen

Row = tuple[str, str, tuple[str, ...]]
"""The form's field of a row's name, what it is about, and what would happen."""


def look(
    text: str, name: str, tab: Tab, fields: Fields, seal: Seal, seen: Mapping[str, Seen], running: Integration | None
) -> Screen:
    """What the page puts at its rows as they are typed, and at its top which of them say more than when it was opened.

    Raises:
        ConfigError: the text is not TOML.
        KeyError: it has errors before any edit, or no such integration.
    """
    errors = edit(text, name, tab, fields, seal).errors
    before = {field: warnings for field, _, warnings in _rows(form_of(text, name, seen, None, running), tab)}
    typed = form_of(text, name, seen, fields, running)
    rows = [(field, about, errors.get(field, ""), warnings) for field, about, warnings in _rows(typed, tab)]
    new = [about for field, about, wrong, warnings in rows if wrong or set(warnings) - set(before.get(field, ()))]
    code = errors.get(NEW_CODE, "")
    return Screen("looking.html", {"rows": rows, "new": new, "tab": tab, "differing": typed.differing, "code": code})


def _rows(form: IntegrationForm, tab: Tab) -> Iterator[Row]:
    if tab == "events":
        yield from ((f"events.{row.code}.name", row.code, row.warnings) for row in form.events)
    elif tab == "properties":
        yield from ((f"properties.{row.property}.name", row.property, row.warnings) for row in form.properties)
