"""A plan as values: integration by integration what it found, on which traffic; and as programs read it."""

from typing import Any

import msgspec

from worker.history.effects import Found, Tally


class Change(msgspec.Struct):
    """An integration that is added, removed or changed: what the plan found about it, what waits, what is dead."""

    integration: str
    change: str
    found: Found
    waiting: int = 0
    dead: int = 0


class Coverage(msgspec.Struct):
    """The traffic that was looked at: how many events, from when to when (Unix ms), and whether older ones are gone."""

    events: int = 0
    first_ms: int = 0
    last_ms: int = 0
    asked_since_ms: int = 0

    def add(self, other: "Coverage") -> None:
        """Add what was looked at elsewhere."""
        self.events += other.events
        if other.events:
            self.first_ms = min(self.first_ms or other.first_ms, other.first_ms)
            self.last_ms = max(self.last_ms, other.last_ms)


class Plan(msgspec.Struct):
    """The effect of a text: against which revision, on which traffic, integration by integration; sources that go."""

    revision: int
    coverage: Coverage
    changes: list[Change]
    removed_sources: list[str]

    @property
    def removed(self) -> list[str]:
        """The integrations whose waiting events would be given up."""
        return [one.integration for one in self.changes if one.change == "removed"]


def plan_dict(plan: Plan) -> dict[str, Any]:
    """The plan as `--json` prints it."""
    names = ("newly_sent", "no_longer_sent", "renamed", "changed", "newly_dead", "no_longer_dead")
    items = []
    for one in plan.changes:
        effects = {name: _plain(one.found.effects.get(name, Tally())) for name in names}
        items.append(
            {
                "integration": one.integration,
                "change": one.change,
                "events": one.found.events,
                **effects,
                "people_differ": _plain(one.found.people),
                "waiting": one.waiting,
                "dead": one.dead,
            }
        )
    return {
        "revision": plan.revision,
        "coverage": plan.coverage,
        "items": items,
        "removed_sources": plan.removed_sources,
        "next": None,
    }


def _plain(tally: Tally) -> dict[str, Any]:
    return {name: getattr(tally, name) for name in ("events", "people", "kinds", "samples")}
