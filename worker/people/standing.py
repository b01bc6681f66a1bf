"""Speaker: the subscription that speaks for a person who has had several; and the one that ended last.

The speaker, by the first of these that tells two subscriptions apart:

1. live; else without access for now (paused, billing retry); else over (ended, refunded, or unknown); else gone
   elsewhere (transferred away, replaced by a plan change);
2. for the first two kinds the latest `effective_next_renewal_at`, for the others the latest end;
3. the latest `purchased_at`;
4. the greatest id.

A one-time purchase speaks only for a person without any subscription ever seen: one that is held before one that was
lost, then the latest `purchased_at`, then the greatest id.

The ended subscription is the one that ended last among those that are over. A transfer or a plan change is no end: the
subscription goes on elsewhere.
"""

from collections.abc import Mapping

import msgspec

from config.trimmed import trimmed
from worker.people.entitlement import (
    DEACTIVATED,
    ENDED,
    GRANTED,
    LIVE_STATUSES,
    MOVED,
    NOTHING,
    ON_HOLD,
    OVER,
    PAUSED,
    REPLACED,
    REVOKED,
    grants,
    is_gone,
    standing,
)
from worker.people.facts import UNNAMED
from worker.people.holding import HAD_NO_OFFER, Holding, unite
from worker.people.person import Person

_PRECEDENCE: Mapping[int, int] = {
    GRANTED: 3,
    ON_HOLD: 2,
    PAUSED: 2,
    ENDED: 1,
    REVOKED: 1,
    NOTHING: 1,
    MOVED: 0,
    REPLACED: 0,
}


class Speaker(msgspec.Struct, frozen=True, gc=False):
    """A subscription (or one-time purchase) read as of now.

    `standing` is of `worker.people.entitlement`, as of `since_ms` (0: nobody ever said); `live` is whether that gives
    access. `status` and `offer_type` are the payload's, but for what the end made untrue.
    """

    key: str
    holding: Holding
    subscription: bool
    standing: int
    since_ms: int
    live: bool
    status: str | None
    offer_type: str | None


def speaker(person: Person) -> Speaker | None:
    """The subscription or purchase that speaks for the person, None when nothing was ever seen."""
    subscriptions = held(person.subscriptions)
    if len(subscriptions) == 1:
        for key, holding in subscriptions.items():
            if holding.stamp[0]:
                return _read(person, key, holding)
    told = [_read(person, key, holding) for key, holding in subscriptions.items() if holding.stamp[0]]
    if told:
        return max(told, key=_weight)
    return _purchase(person)


def others(person: Person, chosen: Speaker) -> list[Speaker]:
    """All that was seen of the person but the speaker."""
    seen = [_read(person, key, holding) for key, holding in held(person.subscriptions).items() if holding.stamp[0]]
    seen += [_read(person, key, holding, subscription=False) for key, holding in held(person.purchases).items()]
    return [one for one in seen if one.key != chosen.key or one.subscription != chosen.subscription]


def purchase_id(person: Person) -> str:
    """Purchasely's id of the one-time purchase that counts before the others, empty when it has none."""
    one = _purchase(person)
    return "" if one is None or one.key.startswith(UNNAMED) else one.key


def ended(person: Person) -> Speaker | None:
    """The subscription that ended last, None when none is over."""
    over = [
        one
        for key, holding in held(person.subscriptions).items()
        if holding.stamp[0] and not grants(holding.access[1]) and (one := _read(person, key, holding)).standing in OVER
    ]
    return max(over, key=_weight, default=None)


def is_certain(person: Person) -> bool:
    """Whether of each subscription something was said about access, and there is one."""
    told = [(key, holding) for key, holding in held(person.subscriptions).items() if holding.stamp[0]]
    return bool(told) and all(_read(person, key, holding).standing != NOTHING for key, holding in told)


def ended_at_ms(one: Speaker) -> int:
    """When access ended: with the paid period, or before that when it was taken away.

    The stores tell of an end only after it; and after a refund the dates are still those of the period that had been
    paid.
    """
    taken_ms = one.since_ms or one.holding.stamp[0]
    return min(taken_ms, one.holding.snapshot.effective_next_renewal_at or taken_ms)


def started_at_ms(holding: Holding) -> int | None:
    """The purchase that started the subscription, or the first transaction when that event was not seen."""
    return holding.started_at or holding.snapshot.original_purchased_at


def _purchase(person: Person) -> Speaker | None:
    seen = [_read(person, key, holding, subscription=False) for key, holding in held(person.purchases).items()]
    return max(seen, key=_purchase_weight, default=None)


def held(holdings: dict[str, Holding]) -> dict[str, Holding]:
    """The holdings, with what was learnt before Purchasely's id was known joined to the one of that store transaction.

    Where several have that transaction (a plan change keeps it), it is the one that was the newest by then.
    """
    if len(holdings) < 2:
        return holdings
    unnamed = [key for key in holdings if key.startswith(UNNAMED)]
    if not unnamed or len(unnamed) == len(holdings):
        return holdings
    joined = {key: holding for key, holding in holdings.items() if not key.startswith(UNNAMED)}
    for key in unnamed:
        nameless = holdings[key]
        same = sorted(
            (holding.stamp, named)
            for named, holding in joined.items()
            if key.removeprefix(UNNAMED) in _transactions(holding)
        )
        if same:
            earlier = [named for stamp, named in same if stamp <= nameless.stamp]
            named = earlier[-1] if earlier else same[0][1]
            joined[named] = unite(joined[named], nameless)
        else:
            joined[key] = nameless
    return joined


def _transactions(holding: Holding) -> set[str]:
    """The store's transactions that a holding is known by."""
    told = holding.snapshot
    return {trimmed(one) for one in (told.store_original_transaction_id, told.store_transaction_id) if one}


def _read(person: Person, key: str, holding: Holding, *, subscription: bool = True) -> Speaker:
    status, offer_type = holding.snapshot.subscription_status, holding.snapshot.offer_type
    since_ms, fact = holding.last_word(person.user_id[1])
    stands = standing(fact, status)
    if fact == DEACTIVATED and is_gone(status, since_ms, holding.snapshot.effective_next_renewal_at):
        stands = MOVED
    if (stands != GRANTED and status in LIVE_STATUSES) or (stands == MOVED and subscription):
        # the old side of a transfer or plan change may still say AUTO_RENEWING (Purchasely's samples)
        status = "DEACTIVATED"
    if offer_type is None and holding.seen & HAD_NO_OFFER:
        offer_type = "NONE"
    return Speaker(key, holding, subscription, stands, since_ms, stands == GRANTED, status, offer_type)


def _weight(one: Speaker) -> tuple[int, int, int, str]:
    precedence, snapshot = _PRECEDENCE[one.standing], one.holding.snapshot
    until_ms = (snapshot.effective_next_renewal_at or 0) if precedence > 1 else ended_at_ms(one)
    return precedence, until_ms, snapshot.purchased_at or 0, one.key


def _purchase_weight(one: Speaker) -> tuple[bool, int, str]:
    # what no event took away is held: a purchase has no status that could tell
    return one.standing in {GRANTED, NOTHING}, one.holding.snapshot.purchased_at or 0, one.key
