"""Trace of one event: when and from which sender it was received, and its fate in every integration."""

from collections.abc import Callable, Iterable

import msgspec

from config.integrations import Integration, Integrations
from worker.dead.fates import Fates
from worker.history.find import Found
from worker.purchasely.person import shard_person
from worker.store.holds import Hold
from worker.store.lane import Lane

AtRevision = Callable[[int, str], Integration | None]
"""An integration as a revision had it; None where that revision is not kept."""


class Seen(msgspec.Struct, frozen=True):
    """An event as the relay received it; `person` is who decided its shard, `entry` is SHARD/ENTRY.

    `duplicates`: how often it was received after that, as long as its id is remembered.
    """

    event_id: str
    event_name: str
    person: str
    received_ms: int
    entry: str
    source: str
    event_time_ms: int | None = None
    duplicates: int = 0


class Passed(msgspec.Struct, frozen=True):
    """What one integration made of an event, under which name; `rule` and `line` are of the revision that decided."""

    integration: str
    outcome: str
    reason: str
    name: str
    revision: int
    rule: str
    line: int
    status: int
    attempts: int
    took_ms: int
    settled_ms: int
    message: str = ""
    by: str = ""
    letter: str = ""


class Trace(msgspec.Struct, frozen=True):
    """An event and what became of it, an integration each."""

    event: Seen
    integrations: list[Passed]


class Tracer:
    """Joins what the streams, the trail, the holds and the revisions say of an event."""

    def __init__(
        self,
        config: Integrations,
        fates: Fates,
        holds: dict[str, Hold],
        at_revision: AtRevision,
        received_again: Callable[[Found], int],
    ) -> None:
        self._config = config
        self._fates = fates
        self._holds = holds
        self._at_revision = at_revision
        self._received_again = received_again

    def trace(self, found: Found, only: Iterable[str] = ()) -> Trace:
        """The whole story of one event; of these integrations only, if any is named."""
        wanted = set(only)
        integrations = [
            self._passed(one, found) for one in self._config.of_source(found.source) if not wanted or one.name in wanted
        ]
        return Trace(self.seen(found), integrations)

    def seen(self, found: Found) -> Seen:
        """The event as it was received."""
        event = found.event
        return Seen(
            event.key,
            event.name,
            shard_person(event.payload, self._config.identity(found.source)),
            event.received_ms,
            f"{found.shard}/{found.entry_id}",
            found.source,
            event.time_ms,
            self._received_again(found),
        )

    def _passed(self, integration: Integration, found: Found) -> Passed:
        lane = Lane(found.source, integration.name, found.shard)
        fate = self._fates.of(lane, found.entry_id, self._holds.get(integration.name))
        decided = self._at_revision(fate.revision, integration.name) or integration
        name, (rule, line) = rule_of(decided, found.event.name, fate.outcome, fate.reason)
        return Passed(
            integration.name,
            fate.outcome,
            fate.reason,
            name,
            fate.revision,
            rule,
            line,
            fate.status,
            fate.attempts,
            fate.took_ms,
            fate.settled_ms,
            fate.message,
            fate.by,
            fate.letter,
        )


# What no line of the integrations file decided.
_NOT_BY_THE_FILE = frozenset({"suppressed", "discarded", "no_person"})


def rule_of(integration: Integration, code: str, outcome: str, reason: str) -> tuple[str, tuple[str, int]]:
    """The name an event was (or would be) sent under, and the key of the file that decided its fate, with its line."""
    key = {
        "disabled": "enabled",
        "environment": "environments",
        "environment_unclaimed": "environments",
        "anonymous": "identity.anonymous",
        "late": "late",
        "shadow": "send",
    }
    name = integration.sent_name(code) or ""
    if outcome == "filtered" and (ruled := key.get(reason)):
        dotted = f"integrations.{integration.name}.{ruled}"
        return name, (dotted, integration.lines.get(dotted, 0))
    if outcome == "filtered" and reason in _NOT_BY_THE_FILE:
        return name, ("", 0)
    if outcome == "delivered":  # one that is off was sent all the same, as somebody chose
        name = name or code
    return name, integration.rule(code)
