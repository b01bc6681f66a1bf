"""`POST /reveal`: show personal data of one subject to this session for a quarter of an hour; recorded."""

from worker.app import Relay
from worker.console.access.places import local_path
from worker.console.access.reveals import Reveals
from worker.console.access.roles import Permission
from worker.console.page import Page
from worker.console.visit import NoSuchPageError, Redirect, Reply, Visit

_KINDS = frozenset({"person", "event", "failure", "activity"})


class RevealPage(Page):
    """Nothing to see: it goes back to where it was asked for."""

    sees = Permission.REVEAL
    does = Permission.REVEAL

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, _visit: Visit) -> Reply:
        """There is no such page."""
        raise NoSuchPageError("Personal data is shown from the page that it is on.")

    def post(self, visit: Visit) -> Reply:
        """Show it from now on."""
        kind, subject = visit.entered("kind"), visit.entered("subject")
        if kind not in _KINDS or not subject:
            raise NoSuchPageError("There is nothing to show.")
        Reveals(self._parts.redis).reveal(visit.viewer, kind, subject, visit.entered("why"))
        return Redirect(local_path(visit.entered("back")), "Personal data is shown for 15 minutes. This is on record.")
