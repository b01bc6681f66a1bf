"""One failed event: everything that is known of it, and what would become of it now."""

import time

from worker.acts.replaying import survey_letters
from worker.app import Relay
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.proposals import outcomes
from worker.console.remedies import remedy_of
from worker.console.visit import NoSuchPageError, Reply, Screen, Visit
from worker.dead.groups import Group
from worker.dead.letter import received_of


class LetterPage(Page):
    """`GET /letters/{letter}`."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """It, its attempts, and what would become of it now."""
        ident = visit.path["letter"]
        try:
            letter = self._parts.dead_letters.get([ident])[0]
        except ValueError:
            letter = None
        if letter is None:
            raise NoSuchPageError(f"There is no failed event {ident}: it was replayed or discarded, or never there.")
        survey, _ = survey_letters(self._parts, [letter])
        owner_file = str(self._parts.settings.integrations or "")
        facts = {
            "letter": letter,
            "raw": received_of(letter),
            "outcomes": outcomes(survey),
            "advice": remedy_of(Group(letter.integration, letter.reason, letter.field, letter.status), owner_file),
            "now_ms": time.time_ns() // 1_000_000,
            "personal": personal(self._parts, visit, "event", f"{letter.shard}/{letter.entry_id}"),
        }
        return Screen("letter.html", facts)
