"""Everybody's drafts: who wants to change what, and a draft taken over by who may publish it."""

from config.difference import difference
from config.errors import ConfigError
from config.integrations import Integrations, parse
from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.drafts import Draft
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Screen, Visit
from worker.errors import OperatorError
from worker.revisions.live import EMPTY


class DraftsPage(Page):
    """`GET /drafts`; POST takes one over."""

    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """Each draft with what it says otherwise than the revision that it was made of; no secret is among that."""
        head = self._desk.open(visit.viewer.login).head
        mine = self._desk.drafts.get(visit.viewer.login)
        facts = {
            "drafts": [(one, lines_of(self._parts, self._desk, one)) for one in self._desk.drafts.all()],
            "head": head,
            "has_own": mine is not None,
            "may_draft": visit.viewer.may(Permission.DRAFT),
            "may_publish": visit.viewer.may(Permission.PUBLISH),
        }
        return Screen("drafts.html", facts)

    def post(self, visit: Visit) -> Reply:
        """Have a draft as one's own as well, and look at its plan."""
        of = visit.entered("of")
        taken = self._desk.take_over(visit.viewer.login, of)
        if taken is None:
            raise NoSuchPageError("This draft is not there any more: it was published or dropped.")
        until = self._desk.open(visit.viewer.login).until
        return Redirect("/review", f"You have the draft of {of} now; it stays theirs too, {until}.")


def lines_of(parts: Relay, desk: Desk, draft: Draft) -> list[str]:
    """What a draft says otherwise than the revision that it was made of, in words; or that it cannot be said."""

    def read(text: str) -> Integrations:
        return parse(text, "", parts.secrets, lenient=True) if text else EMPTY.integrations

    try:
        return difference(read(desk.revision_text(draft.base)), read(draft.text))
    except (ConfigError, OperatorError):
        return ["what it was made of cannot be read any more"]
