"""One event: as it was received, and what became of it in each integration."""

import re

from worker.app import Relay
from worker.console.activity import meaning
from worker.console.page import Page
from worker.console.personal import personal
from worker.console.visit import NoSuchPageError, Reply, Screen, Visit
from worker.history.room import open_history
from worker.history.sentences import plain_sentence

_ENTRY = re.compile(r"\d{1,20}-\d{1,20}")


class EventPage(Page):
    """`GET /events/{shard}/{entry}`."""

    def __init__(self, parts: Relay) -> None:
        self._parts = parts

    def get(self, visit: Visit) -> Reply:
        """Everything that is kept of it."""
        shard, entry = visit.path["shard"], visit.path["entry"]
        room = open_history(self._parts)
        ident = f"{shard}/{entry}"
        found = list(room.finder.event(ident)) if shard.isdigit() and _ENTRY.fullmatch(entry) else []
        if not found:
            gone = "Its person was forgotten." if room.is_forgotten(ident) else "It is older than what is kept."
            raise NoSuchPageError(f"No event {ident} is kept. {gone}")
        traces = [room.tracer.trace(one) for one in found]
        facts = {
            "pairs": [(one, trace) for one, trace in zip(found, traces, strict=True)],
            "place": ident,
            "personal": personal(self._parts, visit, "event", ident),
            "meaning": meaning,
            "sentence": plain_sentence,
        }
        return Screen("event.html", facts)
