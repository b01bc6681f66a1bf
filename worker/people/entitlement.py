"""Access as an event's name decides it: granted or lost, and which of several siblings wins."""

from collections.abc import Mapping
from typing import Final

# A fact about access, by rising authority: of two facts of one millisecond the greater holds. Odd
# grants, even takes away; NOTHING is what a neutral event says. Stored: never renumber.
NOTHING: Final = 0
SAID_ENDED: Final = 2  # an unknown code whose subscription_status is one without access
SAID_LIVE: Final = 3
DEACTIVATED: Final = 4  # a DEACTIVATE that does not say why
ACTIVATED: Final = 5
LAPSED: Final = 6  # an offer ended unconverted; the store may still retry the payment
ON_HOLD: Final = 8  # billing retry: no access, may come back
PAUSED: Final = 10  # no access, will come back
ENDED: Final = 12
MOVED: Final = 14  # transferred to another user
CHANGED: Final = 16  # DEACTIVATE because of a plan change: something continues in its place
GRANTED: Final = 19
REVOKED: Final = 20  # refunded, or taken back by the family's owner
REPLACED: Final = 22  # named by a plan change as the former subscription

_ENTITLEMENT = (
    ("DEACTIVATE", DEACTIVATED),
    ("ACTIVATE", ACTIVATED),
    ("TRANSACTION_PROCESSED", NOTHING),
)
# Purchasely's other codes with what their documented meaning says about access (server events
# reference), from the one that tells least to the one that tells most: an offer's event is more
# particular than the lifecycle's sibling, the state reached more than the way to it.
_LIFECYCLE = (
    ("PURCHASE_VALIDATED", GRANTED),  # webhook v2, now ACTIVATE
    ("SUBSCRIPTION_EXPIRED", ENDED),  # webhook v2, now DEACTIVATE and SUBSCRIPTION_TERMINATED
    ("SUBSCRIPTION_REFUNDED", REVOKED),  # one documentation page's shorthand
    ("INSTALLMENT_PAID", NOTHING),
    ("INSTALLMENT_REFUNDED", NOTHING),
    ("RENEWAL_DISABLED", NOTHING),
    ("RENEWAL_ENABLED", NOTHING),
    ("SUBSCRIPTION_WILL_PAUSE", NOTHING),
    ("SUBSCRIPTION_WILL_NOT_PAUSE", NOTHING),
    ("SUBSCRIPTION_TRANSFERRED", MOVED),
    ("ONE_TIME_PURCHASE_TRANSFERRED", MOVED),
    ("SUBSCRIPTION_TERMINATED", ENDED),
    ("GRACE_PERIOD_TERMINATED", ON_HOLD),
    ("ENTERED_BILLING_RETRY", ON_HOLD),
    ("SUBSCRIPTION_CANCELLED_DURING_GRACE_PERIOD", ENDED),
    ("SUBSCRIPTION_PAUSED", PAUSED),
    ("SUBSCRIPTION_CANCELLED_DURING_PAUSE", ENDED),
    ("SUBSCRIPTION_RENEWED", GRANTED),
    ("SUBSCRIPTION_DEFERRED", GRANTED),
    ("GRACE_PERIOD_STARTED", GRANTED),
    ("SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD", GRANTED),
    ("SUBSCRIPTION_RECOVERED_FROM_BILLING_RETRY", GRANTED),
    ("SUBSCRIPTION_UNPAUSED", GRANTED),
    ("SUBSCRIPTION_STARTED", GRANTED),
    ("SUBSCRIPTION_REACTIVATED", GRANTED),
    ("ONE_TIME_PURCHASE_RECEIVED", GRANTED),
    ("SUBSCRIPTION_RECEIVED", GRANTED),
    ("SUBSCRIPTION_CROSSGRADED", GRANTED),
    ("SUBSCRIPTION_DOWNGRADED", GRANTED),
    ("SUBSCRIPTION_UPGRADED", GRANTED),
    ("PROMOTIONAL_OFFER_NOT_CONVERTED", LAPSED),
    ("PROMO_CODE_NOT_CONVERTED", LAPSED),
    ("INTRO_OFFER_NOT_CONVERTED", LAPSED),
    ("TRIAL_NOT_CONVERTED", LAPSED),
    ("PROMOTIONAL_OFFER_CONVERTED", GRANTED),
    ("PROMO_CODE_CONVERTED", GRANTED),
    ("INTRO_OFFER_CONVERTED", GRANTED),
    ("TRIAL_CONVERTED", GRANTED),
    ("PROMOTIONAL_OFFER_STARTED", GRANTED),
    ("PROMO_CODE_STARTED", GRANTED),
    ("INTRO_OFFER_STARTED", GRANTED),
    ("TRIAL_STARTED", GRANTED),
    ("FAMILY_SHARED_REVOKED", REVOKED),
    ("SUBSCRIPTION_REFUNDED_REVOKED", REVOKED),
)
OVER: Final = frozenset({ENDED, REVOKED})
PLAN_CHANGES: Final = frozenset({"SUBSCRIPTION_CROSSGRADED", "SUBSCRIPTION_DOWNGRADED", "SUBSCRIPTION_UPGRADED"})

FACTS: Final[Mapping[str, int]] = dict((*_ENTITLEMENT, *_LIFECYCLE))
# An unknown code is most likely next year's lifecycle event: above ACTIVATE, below what is understood.
_UNKNOWN_RANK = len(_ENTITLEMENT)
_RANKS: Mapping[str, int] = {
    **{name: rank for rank, (name, _) in enumerate(_ENTITLEMENT)},
    **{name: rank for rank, (name, _) in enumerate(_LIFECYCLE, _UNKNOWN_RANK + 1)},
}

# "Active = the first three" (Purchasely's sample backend).
LIVE_STATUSES: Final = frozenset({"AUTO_RENEWING", "AUTO_RENEWING_CANCELED", "IN_GRACE_PERIOD"})
LOST_STATUSES: Final[Mapping[str | None, int]] = {
    "ON_HOLD": ON_HOLD,
    "PAUSED": PAUSED,
    "REVOKED": REVOKED,
    "DEACTIVATED": ENDED,
    "UNPAID": ENDED,
}


def rank(name: str) -> int:
    """The place of an event code among siblings, which share their millisecond: the greatest speaks.

    Purchasely fans one fact out into several events with the same `event_created_at` (its samples:
    ACTIVATE, SUBSCRIPTION_RENEWED and TRANSACTION_PROCESSED of one renewal).
    """
    return _RANKS.get(name, _UNKNOWN_RANK)


def access_fact(name: str, source: object, status: str | None) -> int:
    """What an event says about access, by its name.

    Not by its `subscription_status`: Purchasely's sample of a DEACTIVATE for a transfer still says
    AUTO_RENEWING. Only a code that is not known here is read by its status. `source` is the payload's
    `source_event_name`: why an ACTIVATE or DEACTIVATE was sent.
    """
    fact = FACTS.get(name)
    if fact is None:
        if status in LIVE_STATUSES:
            return SAID_LIVE
        return SAID_ENDED if status in LOST_STATUSES else NOTHING
    if DEACTIVATED <= fact <= ACTIVATED and isinstance(source, str):
        return _why(fact, source)
    return fact


def _why(fact: int, source: str) -> int:
    """An ACTIVATE or DEACTIVATE weighs as much as the event it was sent for, if the two agree.

    So when both carry one millisecond (a plan change that keeps the subscription's id, a transfer
    between two ids of one person) the one that names its reason wins, and of two equals the ACTIVATE.
    """
    reason = FACTS.get(source, NOTHING)
    if fact == ACTIVATED:
        return GRANTED if reason == GRANTED else ACTIVATED
    if source in PLAN_CHANGES:
        return CHANGED
    return reason if reason > DEACTIVATED and not grants(reason) else DEACTIVATED


def grants(fact: int) -> bool:
    """Whether the fact gives access."""
    return fact & 1 == 1


def is_gone(status: str | None, at_ms: int, until_ms: int | None) -> bool:
    """Whether a DEACTIVATE that does not say why took access elsewhere: a paid period goes on that has not ended.

    So Purchasely's sample of a transfer: the status is still live, the next renewal is to come. Nothing has expired.
    """
    return status in LIVE_STATUSES and (until_ms is None or at_ms < until_ms)


def standing(fact: int, status: str | None) -> int:
    """The access that a subscription gives: GRANTED, ON_HOLD, PAUSED, ENDED, REVOKED, MOVED or REPLACED.

    NOTHING when no one ever said. `fact` is the last that was said about access, `status` the last
    `subscription_status`: it decides alone where no event's name did, and says why a bare DEACTIVATE
    was sent.
    """
    if fact & 1:
        return GRANTED
    if fact == NOTHING:
        return GRANTED if status in LIVE_STATUSES else LOST_STATUSES.get(status, NOTHING)
    if fact <= LAPSED:
        return LOST_STATUSES.get(status, ENDED)
    return REPLACED if fact == CHANGED else fact
