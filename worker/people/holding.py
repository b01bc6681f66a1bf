"""One subscription or one-time purchase as it is known: what each event added to it.

Learning is a join: the same events in any order, any number of times, end in the same holding. Every
fact is a register that only a greater one overwrites:

- a field: the event of the greatest stamp among those that carry the field. One that the newest event
  lacks stays, with the stamp it came with in `older`;
- access: the greatest (time, fact), kept apart so that a later neutral event leaves it alone; a transfer away apart
  from that, since whether it takes anything away depends on who gets it;
- the start: the least; the marks in `seen`: their union.
"""

from typing import Final

import msgspec

from worker.people.entitlement import (
    DEACTIVATED,
    GRANTED,
    LAPSED,
    MOVED,
    NOTHING,
    OVER,
    PLAN_CHANGES,
    access_fact,
    grants,
    is_gone,
    rank,
    standing,
)
from worker.people.facts import MAX_KEY, Facts
from worker.people.snapshot import FIELDS, Snapshot

HAD_TRIAL: Final = 1
HAD_END: Final = 2
HAD_NO_OFFER: Final = 4  # see `_knows_no_offer`

_STARTS = frozenset({"SUBSCRIPTION_STARTED", "TRIAL_STARTED"})
SAME_TRANSACTION_MS = 60_000

Stamp = tuple[int, int, str]
"""Event time in Unix milliseconds, rank of the event's name, key of the event."""

NEVER: Final[Stamp] = (0, 0, "")


class Holding(msgspec.Struct, array_like=True, gc=False):
    """What is known of one subscription or purchase.

    `stamp` and `last_event` are those of the newest event. `access` is the time of the last fact about
    access and the fact (`worker.people.entitlement`), but for transfers away: `moved_ms` is the time of the last one,
    `moved_to` the time and the user of the last one that names the user who gets it. `started_at` in Unix milliseconds.
    `older` has the stamps of the fields that are not from the newest event. A subscription that was only named as the
    former one by a plan change has the stamp NEVER.
    """

    stamp: Stamp = NEVER
    last_event: str = ""
    snapshot: Snapshot = msgspec.field(default_factory=Snapshot)
    access: tuple[int, int] = (0, NOTHING)
    started_at: int | None = None
    seen: int = 0
    older: dict[str, Stamp] = {}
    moved_ms: int = 0
    moved_to: tuple[int, str] = (0, "")

    def last_word(self, user_id: str) -> tuple[int, int]:
        """The last fact about access and its time, for a person of that user id.

        A transfer to oneself (one Customer.io id before and after a login) takes nothing away.
        """
        if not self.moved_ms or (self.moved_ms, MOVED) <= self.access:
            return self.access
        named_ms, to = self.moved_to
        if to and to == user_id and self.moved_ms - named_ms < SAME_TRANSACTION_MS:
            return self.access
        return self.moved_ms, MOVED

    def holds(self, field: str) -> bool:
        """Whether a field is as of the newest event (or its siblings), and not a memory."""
        return field not in self.older or self.older[field][0] == self.stamp[0]


def learn(holding: Holding, facts: Facts) -> bool:
    """Take an event that is about this holding into it; whether anything changed."""
    name, snapshot, time_ms = facts.name, facts.snapshot, facts.time_ms
    fact = access_fact(name, facts.source, snapshot.subscription_status)
    changed = _move(holding, facts) if fact == MOVED else decide_access(holding, time_ms, fact)
    if not fact & 1 or snapshot.offer_type == "FREE_TRIAL":  # else it grants access, and leaves nothing behind
        # what an ending event does not know of the offer is left out of the copy that is taken in
        seen, snapshot = _marks(snapshot, fact, time_ms)
        seen |= holding.seen
        if seen != holding.seen:
            holding.seen = seen
            changed = True
    started_at = snapshot.purchased_at
    if started_at is not None and (holding.started_at is None or started_at < holding.started_at) and _starts(facts):
        holding.started_at = started_at
        changed = True
    stamp = (time_ms, rank(name), facts.key)
    if stamp > holding.stamp:
        _overwrite(holding, snapshot, stamp)
        holding.last_event = name[:MAX_KEY]
        return True
    if stamp == holding.stamp:
        return changed
    return _complete(holding, snapshot, stamp) or changed


def unite(one: Holding, other: Holding) -> Holding:
    """What one holding would be that had learnt all that two of the same subscription did."""
    newest = one if one.stamp >= other.stamp else other
    made = Holding(newest.stamp, newest.last_event, Snapshot(), max(one.access, other.access))
    for field in FIELDS:
        told = [
            (holding.older.get(field, holding.stamp), value)
            for holding in (one, other)
            if (value := getattr(holding.snapshot, field)) is not None
        ]
        if told:
            stamp, value = max(told, key=lambda found: found[0])
            setattr(made.snapshot, field, value)
            if stamp != made.stamp:
                made.older[field] = stamp
    made.started_at = min((at for at in (one.started_at, other.started_at) if at is not None), default=None)
    made.seen = one.seen | other.seen
    made.moved_ms, made.moved_to = max(one.moved_ms, other.moved_ms), max(one.moved_to, other.moved_to)
    return made


def decide_access(holding: Holding, time_ms: int, fact: int) -> bool:
    """Whether the fact is the latest word about access; then it is taken."""
    if fact == NOTHING or (time_ms, fact) <= holding.access:
        return False
    holding.access = (time_ms, fact)
    return True


def _move(holding: Holding, facts: Facts) -> bool:
    """The holding has gone to somebody, at this event's time."""
    changed = facts.time_ms > holding.moved_ms
    if changed:
        holding.moved_ms = facts.time_ms
    if facts.moved_to and (facts.time_ms, facts.moved_to) > holding.moved_to:
        holding.moved_to = (facts.time_ms, facts.moved_to)
        return True
    return changed


def _overwrite(holding: Holding, snapshot: Snapshot, stamp: Stamp) -> None:
    older: dict[str, Stamp] = {}
    # Siblings tell the same, and most events of a subscription carry the same fields.
    if snapshot == holding.snapshot:
        snapshot = holding.snapshot
    else:
        snapshot = msgspec.structs.replace(snapshot)  # facts may be taken in again, by another run over the same events
        if holding.stamp != NEVER:
            _remember(holding, snapshot, older)
    holding.snapshot = snapshot
    holding.older = older
    holding.stamp = stamp


def _remember(holding: Holding, snapshot: Snapshot, older: dict[str, Stamp]) -> None:
    """Keep what the newest event does not carry, with the stamp it came with."""
    fresh = msgspec.structs.astuple(snapshot)
    known = msgspec.structs.astuple(holding.snapshot)
    for new, old in zip(fresh, known):  # noqa: B905 - of one length; `strict` costs a third
        if new is None and old is not None:
            break
    else:
        return
    for field, new, old in zip(FIELDS, fresh, known, strict=True):
        if new is None and old is not None:
            older[field] = holding.older.get(field, holding.stamp)
            setattr(snapshot, field, old)


def _complete(holding: Holding, snapshot: Snapshot, stamp: Stamp) -> bool:
    """Take from an event that is not the newest the fields that no newer one carries."""
    if not holding.older and snapshot == holding.snapshot:
        return False
    changed = False
    for field, value in zip(FIELDS, msgspec.structs.astuple(snapshot), strict=True):
        if value is None:
            continue
        if getattr(holding.snapshot, field) is None or (field in holding.older and stamp > holding.older[field]):
            setattr(holding.snapshot, field, value)
            holding.older[field] = stamp
            changed = True
    return changed


def _marks(snapshot: Snapshot, fact: int, time_ms: int) -> tuple[int, Snapshot]:
    """What the event leaves behind for good, and its snapshot as far as it knows what it says."""
    seen = HAD_TRIAL if snapshot.offer_type == "FREE_TRIAL" else 0
    if fact == MOVED:
        # the payload of the one who loses it may be of either side (Purchasely's samples)
        snapshot = msgspec.structs.replace(snapshot, subscription_status=None)
    if fact == DEACTIVATED and is_gone(snapshot.subscription_status, time_ms, snapshot.effective_next_renewal_at):
        return seen, snapshot
    if not grants(fact) and (stands := standing(fact, snapshot.subscription_status)) != GRANTED:
        if stands in OVER or NOTHING < fact <= LAPSED:
            seen |= HAD_END
        if snapshot.offer_type == "NONE" and stands != NOTHING and _knows_no_offer(snapshot):
            snapshot = msgspec.structs.replace(snapshot, offer_type=None)
            seen |= HAD_NO_OFFER
    return seen, snapshot


def _knows_no_offer(snapshot: Snapshot) -> bool:
    """Whether an ending event's `offer_type` NONE says nothing against an offer known from before.

    Purchasely's campaign recipes find lapsed trials by the `offer_type` of the ended subscription. No
    offer is current after the end; but when the last transaction was the first one, the offer that was
    known until then is what ended. (The two dates may differ by a second: Purchasely's samples.)
    """
    first, last = snapshot.original_purchased_at, snapshot.purchased_at
    return first is not None and last is not None and abs(last - first) < SAME_TRANSACTION_MS


def _starts(facts: Facts) -> bool:
    """Whether this is the event that starts the subscription, so that `purchased_at` is its start."""
    if facts.name in PLAN_CHANGES:
        return facts.former not in {"", facts.about}
    return (facts.source if facts.name == "ACTIVATE" and facts.source else facts.name) in _STARTS
