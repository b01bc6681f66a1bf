"""Derived user properties: those that no payload has under their name, or not in the right form.

Each is a function of the speaker and the plans table: a value, None when one was set that holds no more,
UNSET when it was never known. How Purchasely derives its own is not documented; the rules below follow the meanings it
gives (its user-properties draft).
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import UNSET

from worker.people.entitlement import NOTHING, ON_HOLD, PAUSED
from worker.people.facts import UNNAMED
from worker.people.holding import HAD_TRIAL
from worker.people.standing import Speaker, started_at_ms

Derive = Callable[[Speaker, Mapping[str, str]], object]

_PAUSE_OFF = frozenset({"SUBSCRIPTION_UNPAUSED", "SUBSCRIPTION_WILL_NOT_PAUSE"})


def _by_status(one: Speaker, status: str) -> object:
    """Whether that is the status; unknown as long as none was said, unless the subscription is over."""
    if not one.subscription or (one.status is None and (one.live or one.standing in {NOTHING, ON_HOLD, PAUSED})):
        return UNSET
    return one.status == status


def _by_offer(one: Speaker, offer_type: str) -> object:
    """Whether that offer is running: not without access, and unknown while no event has named the offer."""
    if not one.subscription:
        return UNSET
    if one.offer_type == offer_type or one.offer_type is None:
        if one.standing == NOTHING or (one.live and one.offer_type is None):
            return UNSET
        return one.live
    return False


def _or_unset(value: object) -> object:
    return UNSET if value is None else value


def _has_active_subscription(one: Speaker, _: Mapping[str, str]) -> object:
    # Live ones speak before all others: when the speaker is not live, none is. Of who has only bought once nobody said
    # anything of a subscription: there may be one that is older than the relay.
    return one.live if one.subscription and one.standing != NOTHING else UNSET


def _last_event(one: Speaker, _: Mapping[str, str]) -> object:
    return one.holding.last_event or UNSET


def _plan_periodicity(one: Speaker, plans: Mapping[str, str]) -> object:
    """From the plans table; None for a plan that it lacks, so that no former plan's periodicity stays."""
    plan = one.holding.snapshot.plan
    return UNSET if plan is None or not plans else plans.get(plan)


def _purchasely_subscription_id(one: Speaker, _: Mapping[str, str]) -> object:
    return one.key if one.subscription and not one.key.startswith(UNNAMED) else UNSET


def _subscription_started_at(one: Speaker, _: Mapping[str, str]) -> object:
    return _or_unset(started_at_ms(one.holding)) if one.subscription else UNSET


def _grace_period_expires_at(one: Speaker, _: Mapping[str, str]) -> object:
    """While in grace."""
    at_ms = one.holding.snapshot.grace_period_expires_at
    if at_ms is None:
        return UNSET
    return (
        at_ms
        if one.live and one.status in {"IN_GRACE_PERIOD", None} and one.holding.holds("grace_period_expires_at")
        else None
    )


def _defer_end_at(one: Speaker, _: Mapping[str, str]) -> object:
    """As long as the newest event tells it, and the subscription lives."""
    at_ms = one.holding.snapshot.defer_end_at
    if at_ms is None:
        return UNSET
    return at_ms if one.live and one.holding.holds("defer_end_at") else None


def _auto_resume_at(one: Speaker, _: Mapping[str, str]) -> object:
    """While a pause is planned or runs."""
    at_ms = one.holding.snapshot.auto_resume_at
    if at_ms is None:
        return UNSET
    planned = one.live and one.holding.last_event not in _PAUSE_OFF
    return at_ms if (planned or one.standing == PAUSED) and one.holding.holds("auto_resume_at") else None


def _trial_ends_at(one: Speaker, _: Mapping[str, str]) -> object:
    """`effective_next_renewal_at` while in a free trial."""
    if _is_in_trial(one, _) is True:
        return _or_unset(one.holding.snapshot.effective_next_renewal_at)
    return None if one.holding.seen & HAD_TRIAL else UNSET


def _status(one: Speaker, _: Mapping[str, str]) -> object:
    return _or_unset(one.status)


def _offer_type(one: Speaker, _: Mapping[str, str]) -> object:
    return _or_unset(one.offer_type)


def _is_auto_renewing(one: Speaker, _: Mapping[str, str]) -> object:
    return _by_status(one, "AUTO_RENEWING")


def _is_in_billing_retry(one: Speaker, _: Mapping[str, str]) -> object:
    return one.standing == ON_HOLD if one.subscription and one.standing != NOTHING else UNSET


def _is_in_grace_period(one: Speaker, _: Mapping[str, str]) -> object:
    return _by_status(one, "IN_GRACE_PERIOD")


# The offer of an ended subscription is kept in `offer_type`, but nobody is in it any more.
def _is_in_trial(one: Speaker, _: Mapping[str, str]) -> object:
    return _by_offer(one, "FREE_TRIAL")


def _is_in_intro_offer(one: Speaker, _: Mapping[str, str]) -> object:
    return _by_offer(one, "INTRO_OFFER")


def _is_promo_code(one: Speaker, _: Mapping[str, str]) -> object:
    return _by_offer(one, "PROMO_CODE")


DERIVED: Final[Mapping[str, Derive]] = {
    "has_active_subscription": _has_active_subscription,
    "subscription_status": _status,
    "offer_type": _offer_type,
    "plan_periodicity": _plan_periodicity,
    "purchasely_subscription_id": _purchasely_subscription_id,
    "last_event": _last_event,
    "is_auto_renewing": _is_auto_renewing,
    "is_in_billing_retry": _is_in_billing_retry,
    "is_in_grace_period": _is_in_grace_period,
    "is_in_intro_offer": _is_in_intro_offer,
    "is_in_trial": _is_in_trial,
    "is_promo_code": _is_promo_code,
    "subscription_started_at": _subscription_started_at,
    "trial_ends_at": _trial_ends_at,
    "grace_period_expires_at": _grace_period_expires_at,
    "defer_end_at": _defer_end_at,
    "auto_resume_at": _auto_resume_at,
}
DERIVED_DATES: Final = frozenset({"subscription_started_at", "trial_ends_at"})
