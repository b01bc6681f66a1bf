"""Add a workspace in three steps on one page, or a copy of one for test purchases; both begin as a draft."""

import tomllib
from typing import Any

from config.errors import ConfigError
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk, read_draft
from worker.console.editing import Edited
from worker.console.keyregion import region_of
from worker.console.page import Page
from worker.console.rows import Fields
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.console.workspaces import add_integration, add_source, duplicate, remove
from worker.errors import OperatorError

_FIND = "find"


class AddPage(Page):
    """`GET /integrations/new`; POST adds the source, if it is new, and the workspace to the draft."""

    sees = Permission.DRAFT
    does = Permission.SECRETS

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """The form."""
        return self._show(visit, {}, {})

    def post(self, visit: Visit) -> Reply:
        """Into the draft, then to its review; with errors the form again."""
        edited, said = self._desk.edit(visit.viewer.login, visit.entered("mark"), lambda text: self._added(text, visit))
        if edited.errors:
            return self._show(visit, edited.errors, dict(visit.form), 422)
        return Redirect("/review", said)

    def _added(self, text: str, visit: Visit) -> Edited:
        fields: Fields = dict(visit.form)
        if not visit.entered("source"):
            with_source = add_source(text, fields, self._desk.seal)
            if with_source.errors:
                return with_source
            text, fields = with_source.text, {**fields, "source": [visit.entered("source.name")]}
        finds = visit.entered("region") == _FIND
        edited = add_integration(text, {**fields, "region": ["eu"]} if finds else fields, self._desk.seal)
        if edited.errors or not finds:
            return edited
        region, wrong = self._region(edited.text, visit.entered("name"))
        if wrong:
            return Edited(text, wrong)
        return add_integration(text, {**fields, "region": [region]}, self._desk.seal)

    def _region(self, text: str, name: str) -> tuple[str, dict[str, str]]:
        """The region that Customer.io has for the new key; or what is wrong, by field."""
        try:
            one = read_draft(self._parts, text).integrations[name]
        except (ConfigError, KeyError):
            return "", {"region": "choose the region: it cannot be asked for here"}
        if one.unresolved:
            return "", {"region": "the key is not at hand here, so Customer.io cannot be asked: choose the region"}
        return region_of(one)

    def _show(self, visit: Visit, errors: dict[str, str], posted: dict[str, list[str]], status: int = 200) -> Reply:
        found = self._desk.open(visit.viewer.login)
        known = self._parts.live.loaded.integrations
        facts: dict[str, Any] = {
            "draft": found,
            "sources": list(known.sources),
            "is_first": not known.integrations,
            "errors": errors,
            "posted": {name: values[-1] for name, values in posted.items() if values},
            "environments": posted.get("environments", [] if posted else ["PRODUCTION"]),
            "may_add": visit.viewer.may(Permission.SECRETS),
        }
        return Screen("new.html", facts, status)


class DuplicatePage(Page):
    """`GET /integrations/{name}/duplicate`; POST adds the copy to the draft."""

    sees = Permission.DRAFT
    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """The form."""
        return self._show(visit, {})

    def post(self, visit: Visit) -> Reply:
        """Into the draft, then to its review."""
        name, fields = visit.path["name"], dict(visit.form)
        if not visit.viewer.may(Permission.SECRETS):  # the copy is switched off then, until an admin gives it keys
            fields.pop("site_id", None)
            fields.pop("api_key", None)
        try:
            edited, said = self._desk.edit(
                visit.viewer.login,
                visit.entered("mark"),
                lambda text: duplicate(text, name, fields, self._desk.seal),
            )
        except KeyError:
            raise NoSuchPageError(f"There is no integration {name}.") from None
        return self._show(visit, edited.errors, 422) if edited.errors else Redirect("/review", said)

    def _show(self, visit: Visit, errors: dict[str, str], status: int = 200) -> Reply:
        found = self._desk.open(visit.viewer.login)
        if visit.path["name"] not in tomllib.loads(found.text).get("integrations", {}):
            raise NoSuchPageError(f"There is no integration {visit.path['name']}.")
        facts = {
            "draft": found,
            "name": visit.path["name"],
            "errors": errors,
            "new": visit.entered("name") or f"{visit.path['name']}-sandbox",
            "may_set": visit.viewer.may(Permission.SECRETS),
        }
        return Screen("duplicate.html", facts, status)


class RemovePage(Page):
    """`POST /integrations/{name}/remove`: takes the integration out of the draft; the review says what is given up."""

    sees = Permission.DRAFT
    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """There is nothing to see."""
        return Redirect(f"/integrations/{visit.path['name']}?tab=advanced")

    def post(self, visit: Visit) -> Reply:
        """Into the draft."""
        name = visit.path["name"]
        try:
            edited, said = self._desk.edit(visit.viewer.login, visit.entered("mark"), lambda text: remove(text, name))
        except KeyError:
            raise NoSuchPageError(f"There is no integration {name}.") from None
        if edited.errors:
            raise OperatorError("; ".join(edited.errors.values()))
        return Redirect("/review", said)
