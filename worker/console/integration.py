"""One integration: its form in five tabs, saved as a draft; nothing changes before a revision is published."""

import time
from typing import Any

from config.integrations import Integrations
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.cards import badge, hold_facts
from worker.console.drafting import Desk
from worker.console.editing import TABS, Edited, Tab, edit
from worker.console.form import IntegrationForm, form_of
from worker.console.history import compare
from worker.console.keyregion import with_region
from worker.console.looking import look
from worker.console.page import Page
from worker.console.secretview import view_secret
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.ledger.figures import Ledger
from worker.machine.inspection import look_at_keys
from worker.revisions.store import Revision
from worker.store.arrivals import Arrivals, Seen

NAMES: dict[str, str] = {
    "account": "Account parameters",
    "events": "Server events",
    "properties": "User properties",
    "people": "People",
    "advanced": "Advanced",
    "history": "History",
}
_SECRETS = ("site_id", "api_key")
# So many revisions are compared, two by two, for the tab History.
_LOOKED_AT = 20


class IntegrationPage(Page):
    """`GET /integrations/{name}?tab=`; POST saves a tab into the draft of the login, or looks at it."""

    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """The form as the draft has it, else as it is in force."""
        return self._show(visit, {}, {})

    def post(self, visit: Visit) -> Reply:
        """Put what was posted into the draft; with errors the form again, as it was typed."""
        name, tab = visit.path["name"], _tab(visit)
        fields = dict(visit.form)
        if not visit.viewer.may(Permission.SECRETS):
            for secret in _SECRETS:
                fields.pop(secret, None)
        if visit.entered("go") == "look":
            return self._look(visit, tab, fields)
        is_trusted = visit.viewer.may(Permission.SECRETS) and not self._desk.open(visit.viewer.login).of
        found = ""

        def act(text: str) -> Edited:
            nonlocal found
            edited = edit(text, name, tab, fields, self._desk.seal)
            if tab == "account":
                edited, found = with_region(self._parts, text, edited, name, is_trusted=is_trusted)
            return edited

        try:
            edited, said = self._desk.edit(visit.viewer.login, visit.entered("mark"), act)
        except KeyError:
            raise NoSuchPageError(f"There is no integration {name}.") from None
        if edited.errors:
            return self._show(visit, edited.errors, fields, 422)
        said = f"{found} {said}".strip()
        if visit.entered("go") == "review":
            return Redirect("/review", said)
        until = self._desk.open(visit.viewer.login).until
        saved = f"Saved in your draft; nothing is changed {until}." if edited.changed else "Nothing changed."
        return Redirect(f"/integrations/{name}?tab={tab}", f"{saved} {said}".strip())

    def _look(self, visit: Visit, tab: Tab, fields: dict[str, list[str]]) -> Reply:
        """What is to be said of a tab's rows as they were typed; nothing is kept."""
        self._parts.live.look()
        name, loaded = visit.path["name"], self._parts.live.loaded
        config = loaded.integrations
        text, base = self._desk.text_of(visit.viewer.login, visit.entered("mark"))
        # what somebody else published meanwhile is not what this form would change: the review joins the two
        running = config.integrations.get(name) if base == loaded.number else None
        try:
            return look(text, name, tab, fields, self._desk.seal, self._seen(name, config), running)
        except KeyError:
            raise NoSuchPageError(f"There is no integration {name}.") from None

    def _show(self, visit: Visit, errors: dict[str, str], posted: dict[str, list[str]], status: int = 200) -> Reply:
        name, tab = visit.path["name"], _tab(visit)
        found = self._desk.open(visit.viewer.login)
        loaded = self._parts.live.loaded
        config = loaded.integrations
        try:
            form = form_of(found.text, name, self._seen(name, config), posted, config.integrations.get(name))
        except KeyError:
            raise NoSuchPageError(f"There is no integration {name}.") from None
        facts: dict[str, Any] = {
            "form": form,
            "tab": "history" if visit.asked("tab") == "history" else tab,
            "tabs": NAMES,
            "revisions": changes_of(self._parts, name) if visit.asked("tab") == "history" else [],
            "errors": errors,
            "environments": posted.get("environments", []) if posted else form.environments,
            "posted": {field: values[-1] for field, values in posted.items() if values},
            "draft": found,
            "find": visit.asked("find"),
            "secrets": {
                key: view_secret(self._parts.revisions, loaded.revision, found.text, name, key) for key in _SECRETS
            },
            "may_draft": visit.viewer.may(Permission.DRAFT),
            "may_act": visit.viewer.may(Permission.ACT),
            "may_secrets": visit.viewer.may(Permission.SECRETS),
            **self._live(name, form, found.owner_file, is_checked=visit.asked("check") == "yes"),
        }
        return Screen("integration.html", facts, status)

    def _live(self, name: str, form: IntegrationForm, owner_file: str, *, is_checked: bool) -> dict[str, Any]:
        """What is known of the integration as it runs; nothing of one that is only drafted."""
        config = self._parts.live.loaded.integrations
        running = config.integrations.get(name)
        if running is None:
            return {
                "running": None,
                "badge": ("new", "DRAFT"),
                "account": None,
                "hold": {},
                "key": None,
                "tail": "",
                "webhook": "",
            }
        account = next(one for one in Ledger(self._parts).accounts() if one.integration == name)
        only = Integrations(config.sources, {name: running}, (), config.path)
        return {
            "running": running,
            "badge": badge(account),
            "account": account,
            "hold": hold_facts(account, time.time_ns() // 1_000_000, owner_file),
            "key": next(iter(look_at_keys(only, 5)), None) if is_checked else None,
            "tail": running.api_key[-4:] if len(running.api_key) >= 12 and form.api_key else "",
            "webhook": f"/webhooks/purchasely/{running.source}",
        }

    def _seen(self, name: str, config: Integrations) -> dict[str, Seen]:
        running = config.integrations.get(name)
        if running is None:
            return {}
        now_ms = time.time_ns() // 1_000_000
        return Arrivals(self._parts.redis).week(running.source, running.environments, now_ms)


def changes_of(parts: Relay, name: str) -> list[tuple[Revision, list[str]]]:
    """The revisions that changed an integration, newest first, each with what it changed, in words."""
    kept = parts.revisions.all()[: _LOOKED_AT + 1]
    found, about = [], f"integration {name}: "
    for new, old in zip(kept, [*kept[1:], None], strict=True):
        if old is None:
            break
        lines = [line.removeprefix(about) for line in compare(parts, old, new) if line.startswith(about)]
        if lines:
            found.append((new, lines))
    return found


def _tab(visit: Visit) -> Tab:
    asked = visit.entered("tab") or visit.asked("tab")
    found: Tab = asked if asked in TABS else "account"
    return found
