"""Subscription of a person in words: what support reads first; nothing that no event said."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from worker.people.entitlement import GRANTED, MOVED, NOTHING, ON_HOLD, PAUSED, REPLACED, REVOKED
from worker.people.person import Person
from worker.people.standing import Speaker, ended_at_ms, speaker

_PERIOD: Final = re.compile(r"P([1-9]\d?)([DWMY])")
_ONE: Final = {"D": "daily", "W": "weekly", "M": "monthly", "Y": "yearly"}
_SEVERAL: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
_OFFERS: Final = {"FREE_TRIAL": "In a free trial", "INTRO_OFFER": "In an introductory offer"}
_WITHOUT: Final = {
    ON_HOLD: "Payment failed, no access until it is made",
    REVOKED: "Subscription refunded or taken back",
    MOVED: "Subscription transferred to somebody else",
    REPLACED: "Subscription replaced by another plan",
}


class Part(msgspec.Struct, frozen=True):
    """A part of the sentence; `at_ms` is the day that belongs behind its words (Unix ms), None: there is none."""

    words: str
    at_ms: int | None = None


def in_words(person: Person, plans: Mapping[str, str], now_ms: int) -> list[Part]:
    """What is known of a person's subscription, or of what they bought once; empty: nothing is.

    `plans` maps plan ids to ISO 8601 periods. A day that is over is said to be, since nothing came after it.
    """
    one = speaker(person)
    if one is None or (one.subscription and one.standing == NOTHING):
        return []
    if not one.subscription:
        bought_ms = one.holding.snapshot.purchased_at
        kept = one.standing in {GRANTED, NOTHING}
        return [Part("Bought once" if kept else "A purchase that was refunded or taken back", bought_ms)]
    return list(_subscription(one, plans, now_ms))


def _subscription(one: Speaker, plans: Mapping[str, str], now_ms: int) -> Iterator[Part]:
    told = one.holding.snapshot
    period = period_in_words(plans.get(told.plan or "", ""))
    plan = Part(period) if period else Part(f"plan {told.plan}") if told.plan else None
    match one.standing:
        case standing if standing == GRANTED:
            yield Part(_OFFERS.get(one.offer_type or "", "Subscribed"))
        case standing if standing == PAUSED:
            yield Part("Paused")
        case standing if standing in _WITHOUT:
            yield Part(_WITHOUT[standing])
        case _:
            yield Part("Subscription ended", ended_at_ms(one))
    if plan:
        yield plan
    if one.standing == GRANTED:
        yield from _ahead(one, now_ms)
    elif one.standing == PAUSED and told.auto_resume_at:
        yield Part("resumes", told.auto_resume_at)


def _ahead(one: Speaker, now_ms: int) -> Iterator[Part]:
    """What comes next for somebody who has access."""
    told = one.holding.snapshot
    if one.status == "IN_GRACE_PERIOD":
        yield Part("payment failed, in the grace period until", told.grace_period_expires_at or _until_ms(one))
        return
    until_ms = _until_ms(one)
    if until_ms is None:
        return
    over = until_ms < now_ms
    match one.status:
        case "AUTO_RENEWING":
            yield Part("renewal was due" if over else "renews", until_ms)
        case "AUTO_RENEWING_CANCELED":
            yield Part("was to end" if over else "ends", until_ms)
        case _:
            yield Part("was paid until" if over else "paid until", until_ms)


def _until_ms(one: Speaker) -> int | None:
    told = one.holding.snapshot
    return told.effective_next_renewal_at or told.next_renewal_at


def period_in_words(iso: str) -> str:
    """An ISO 8601 period of one unit in words; empty: it is no such period.

    >>> period_in_words("P1M"), period_in_words("P3M"), period_in_words("P1Y6M")
    ('monthly', 'every 3 months', '')
    """
    found = _PERIOD.fullmatch(iso)
    if found is None:
        return ""
    return _ONE[found[2]] if found[1] == "1" else f"every {found[1]} {_SEVERAL[found[2]]}"
