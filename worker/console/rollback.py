"""Roll back: a former revision as a draft, to be reviewed and published; a draft that is there is not lost unasked."""

from worker.app import Relay
from worker.console.access.roles import Permission
from worker.console.drafting import Desk
from worker.console.history import find_revision
from worker.console.page import Page
from worker.console.shared_drafts import lines_of
from worker.console.visit import Redirect, Reply, Screen, Visit


class RollbackPage(Page):
    """`POST /history/{number}/back`: the draft of the login is that revision then; nothing is in force by it."""

    sees = Permission.DRAFT
    does = Permission.DRAFT

    def __init__(self, parts: Relay) -> None:
        self._parts = parts
        self._desk = Desk(parts)

    def get(self, visit: Visit) -> Reply:
        """There is nothing to see but the revision."""
        return Redirect(f"/history/{find_revision(self._parts, visit.path['number']).number}")

    def post(self, visit: Visit) -> Reply:
        """Begin it; where there is a draft, ask first, and do it for who has seen that very draft (`over`)."""
        login, one = visit.viewer.login, find_revision(self._parts, visit.path["number"])
        found = self._desk.open(login)
        head = found.head
        mine = self._desk.drafts.get(login)
        in_force = self._desk.revision_text(head)
        if mine and mine.text not in (one.text, in_force) and visit.entered("over") != mine.version:
            facts = {"draft": mine, "lines": lines_of(self._parts, self._desk, mine), "number": one.number}
            return Screen("rollback.html", facts, 409)
        self._desk.start(login, one.text, head, "")
        return Redirect("/review", f"Your draft is revision {one.number} now. Nothing is changed {found.until}.")
