"""Friction of a change: how much a person must do before it is published, by how much it changes."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from config.integrations import Integrations
from worker.history.planned import Change, Plan
from worker.process.wording import count, several

# Of the events looked at, or of those that are sent today.
_SMALL: Final = 0.01
_LARGE: Final = 0.10

# Each event counts once: one that would fail is among those that are no longer sent.
_EVENTS: Final = frozenset({"newly_sent", "no_longer_sent", "renamed", "changed"})

Level = Literal["click", "confirm", "type"]


class Friction(msgspec.Struct, frozen=True):
    """What to ask for: one click, a confirmation, or the names to type; and why, a sentence each."""

    level: Level
    names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    def is_met(self, typed: tuple[str, ...]) -> bool:
        """Whether these names, as they were typed, are the ones asked for."""
        return set(self.names) <= {one.strip() for one in typed}


def friction_of(plan: Plan, before: Integrations, after: Integrations) -> Friction:
    """The friction of a plan: what is large, cannot be undone, or moves people asks for the name."""
    typed: dict[str, str] = {}
    for change in plan.changes:
        for reason in _large(change, before, after):
            typed.setdefault(change.integration, reason)
    for source in plan.removed_sources:
        typed.setdefault(source, f"{source}: removed, so what is sent to it is answered 404")
    if typed:
        return Friction("type", tuple(typed), tuple(typed.values()))
    reasons = tuple(reason for change in plan.changes for reason in _some(change))
    return Friction("confirm" if reasons else "click", (), reasons)


def _large(change: Change, before: Integrations, after: Integrations) -> Iterator[str]:
    name = change.integration
    old, new = before.integrations.get(name), after.integrations.get(name)
    if new is None:
        waits = several(change.waiting, "event that waits", "events that wait")
        yield f"{name}: removed; {waits} and {several(change.dead, 'failed one')} are given up"
    if old is not None and new is not None:
        if (old.identity, old.source_identity) != (new.identity, new.source_identity):
            yield f"{name}: who an event is about changes"
        stopped = _stopped(change)
        if stopped > _LARGE * change.found.sent.before:
            yield f"{name}: {count(stopped)} of {several(change.found.sent.before, 'event')} would no longer be sent"


def _some(change: Change) -> Iterator[str]:
    name, found = change.integration, change.found
    if change.change == "key":
        yield f"{name}: another key, or another start"
        return
    affected = sum(tally.events for effect, tally in found.effects.items() if effect in _EVENTS)
    if not found.events:
        yield f"{name}: no event is kept that would show what it does"
    elif affected >= _SMALL * found.events:
        yield f"{name}: {count(affected)} of {several(found.events, 'event')} would differ"


def _stopped(change: Change) -> int:
    """Events that are sent today and would not be."""
    found = change.found.effects.get("no_longer_sent")
    return found.events if found else 0
