"""The user properties of a person, computed from what is known of them.

All that Purchasely names (its "User Properties" tab and the drafts of its documentation), and the lifetime revenue.
Which subscription speaks when there are several is the rule of `worker.people.standing`. The person's ids are the
newest of all events; all else but the `expired_` properties and the revenue is the speaker's: `last_event` is, as
documented, the last event "for that subscription".

A property has a value (dates in Unix milliseconds); or is None, when it was set once and holds no more, so that it
must be cleared; or is absent, when it was never known. Cleared are the dates of a grace period, deferral, pause or
trial that is over, the `expired_` properties of a subscription that came back, what another subscription set that
the speaker does not have, and the periodicity of a plan that is not in a plans table.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from worker.people.derived import DERIVED, DERIVED_DATES
from worker.people.holding import HAD_END
from worker.people.person import Person
from worker.people.snapshot import DATES, FIELDS
from worker.people.standing import (
    Speaker,
    ended,
    ended_at_ms,
    is_certain,
    others,
    purchase_id,
    speaker,
    started_at_ms,
)

REVENUE: Final = "cumulated_revenue_in_"
DAY_MS = 86_400_000

_PERSONAL = ("user_id", "anonymous_user_id", "device_id")
_PLAIN = {field: index for index, field in enumerate(FIELDS) if field not in DERIVED}
_EXPIRED = (
    "has_expired_subscription",
    "expired_subscription_expired_at",
    "expired_subscription_status",
    "expired_subscription_plan",
    "expired_subscription_offer_type",
    "expired_subscription_duration_in_days",
)
_PURCHASE = "purchasely_one_time_purchase_id"

PROPERTIES: Final = frozenset({*_PERSONAL, *_PLAIN, *DERIVED, _PURCHASE, *_EXPIRED})
DATE_PROPERTIES: Final = DATES | DERIVED_DATES | {"expired_subscription_expired_at"}


class _Wanted(msgspec.Struct, frozen=True):
    """The wanted properties, by how each is found."""

    personal: tuple[str, ...]
    plain: tuple[tuple[str, int], ...]
    derived: tuple[tuple[str, Callable[[Speaker, Mapping[str, str]], object]], ...]
    expired: tuple[str, ...]
    purchase: bool
    revenues: frozenset[str] | None
    """Names of single currencies; None is all of them."""


def _sort(wanted: Iterable[str]) -> _Wanted:
    names = frozenset(wanted)
    return _Wanted(
        tuple(name for name in _PERSONAL if name in names),
        tuple((name, index) for name, index in _PLAIN.items() if name in names),
        tuple((name, derive) for name, derive in DERIVED.items() if name in names),
        tuple(name for name in _EXPIRED if name in names),
        _PURCHASE in names,
        None if REVENUE + "*" in names else frozenset(name for name in names if name.startswith(REVENUE)),
    )


_ALL = _sort({*PROPERTIES, REVENUE + "*"})


def properties(person: Person, plans: Mapping[str, str]) -> dict[str, object]:
    """All user properties of a person; `plans` maps Purchasely plan ids to ISO 8601 durations, as P1M."""
    return _tell(person, plans, _ALL)


def compile_properties(wanted: Iterable[str], plans: Mapping[str, str]) -> Callable[[Person], dict[str, object]]:
    """A function that computes only the wanted properties; `cumulated_revenue_in_*` stands for all currencies."""
    sorted_ = _sort(wanted)

    def wanted_properties(person: Person) -> dict[str, object]:
        return _tell(person, plans, sorted_)

    return wanted_properties


def _tell(person: Person, plans: Mapping[str, str], wanted: _Wanted) -> dict[str, object]:
    told: dict[str, object] = {}
    for name in wanted.personal:
        if text := getattr(person, name)[1]:
            told[name] = text
    one = speaker(person)
    if one is not None:
        _tell_speaker(one, plans, wanted, told)
        if len(person.subscriptions) + len(person.purchases) > 1:
            _clear_others(person, one, plans, wanted, told)
        if wanted.expired:
            _tell_expired(person, wanted.expired, told)
    if wanted.purchase and person.purchases and (key := purchase_id(person)):
        told[_PURCHASE] = key
    for currency, (_, amount) in person.revenues.items():
        if wanted.revenues is None or REVENUE + currency in wanted.revenues:
            told[REVENUE + currency] = amount
    return told


def _tell_speaker(one: Speaker, plans: Mapping[str, str], wanted: _Wanted, told: dict[str, object]) -> None:
    values = msgspec.structs.astuple(one.holding.snapshot)
    for name, index in wanted.plain:
        if (value := values[index]) is not None:
            told[name] = value
    for name, derive in wanted.derived:
        if (value := derive(one, plans)) is not msgspec.UNSET:
            told[name] = value


def _clear_others(
    person: Person, one: Speaker, plans: Mapping[str, str], wanted: _Wanted, told: dict[str, object]
) -> None:
    """Clear what another subscription or purchase set when it was the speaker, and this one does not have."""
    for other in others(person, one):
        values = msgspec.structs.astuple(other.holding.snapshot)
        for name, index in wanted.plain:
            if name not in told and values[index] is not None:
                told[name] = None
        for name, derive in wanted.derived:
            if name not in told and derive(other, plans) is not msgspec.UNSET:
                told[name] = None


def _tell_expired(person: Person, wanted: tuple[str, ...], told: dict[str, object]) -> None:
    last = ended(person)
    if last is None:
        if "has_expired_subscription" in wanted and is_certain(person):
            told["has_expired_subscription"] = False
        if any(holding.seen & HAD_END for holding in person.subscriptions.values()):
            told.update((name, None) for name in wanted if name != "has_expired_subscription")
        return
    expired_at, started_at = ended_at_ms(last), started_at_ms(last.holding)
    days = None if started_at is None else max(0, expired_at - started_at) // DAY_MS
    values = (True, expired_at, last.status, last.holding.snapshot.plan, last.offer_type, days)
    told.update((name, value) for name, value in zip(_EXPIRED, values, strict=True) if name in wanted)
