"""The catalogue: complete, consistent, and good at guessing what was meant."""

import re
from collections import Counter

import pytest

from config.catalogue import catalogue

WANTED = {
    "cumulated_revenue_in_*",
    "has_expired_subscription",
    "expired_subscription_expired_at",
    "expired_subscription_status",
    "expired_subscription_plan",
    "expired_subscription_offer_type",
    "expired_subscription_duration_in_days",
}


def test_every_live_code_is_listed_once_under_its_kind():
    """Purchasely has 44 live codes: 2 entitlement, 1 transactional, 29 lifecycle, 12 offer."""
    kinds = Counter(code.kind for code in catalogue().events.values())
    assert kinds == {"entitlement": 2, "transactional": 1, "lifecycle": 29, "offer": 12}


def test_every_user_property_is_listed():
    """The 43 properties that Purchasely can set, and the 7 it lists as missing."""
    names = set(catalogue().user_properties)
    assert names >= WANTED
    assert len(names - WANTED) == 43


def test_retired_names_lead_to_live_codes():
    """A retired name is not live itself, and its successor is."""
    known = catalogue()
    assert {name: old.successor for name, old in known.retired.items()} == {
        "SUBSCRIPTION_EXPIRED": "SUBSCRIPTION_TERMINATED",
        "PURCHASE_VALIDATED": "ACTIVATE",
        "SUBSCRIPTION_REFUNDED": "SUBSCRIPTION_REFUNDED_REVOKED",
        "INTRO_PERIOD_STARTED": "INTRO_OFFER_STARTED",
    }
    assert {old.successor for old in known.retired.values()} <= set(known.events)
    assert not set(known.retired) & set(known.events)


def test_a_code_knows_its_successor_and_its_predecessors():
    """Both directions of a retirement can be asked for."""
    known = catalogue()
    assert known.successor("SUBSCRIPTION_EXPIRED") == "SUBSCRIPTION_TERMINATED"
    assert known.successor("SUBSCRIPTION_TERMINATED") is None
    assert known.predecessors("SUBSCRIPTION_TERMINATED") == ("SUBSCRIPTION_EXPIRED",)
    assert known.predecessors("TRIAL_STARTED") == ()


def test_each_description_is_one_sentence():
    """A description is a sentence, and no two names share one."""
    known = catalogue()
    texts = [entry.description for entry in (*known.events.values(), *known.user_properties.values())]
    assert all(re.fullmatch(r"[A-Z].{10,}[^.]\.", text) for text in texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("currency", ["eur", "usd", "jpy"])
def test_a_family_stands_for_every_currency(currency):
    """A property in any currency has the family's type."""
    found = catalogue().user_property(f"cumulated_revenue_in_{currency}")
    assert found is catalogue().user_properties["cumulated_revenue_in_*"]


@pytest.mark.parametrize("name", ["cumulated_revenue_in_EUR", "cumulated_revenue_in_euro", "x_in_eur"])
def test_a_family_stands_for_currencies_only(name):
    """A currency is three lower-case letters, and another stem is another family."""
    assert catalogue().user_property(name) is None


@pytest.mark.parametrize(
    ("written", "kind", "meant"),
    [
        ("ACTIVTE", "event", "ACTIVATE"),
        ("Subscription started", "event", "SUBSCRIPTION_STARTED"),
        ("trial-converted", "event", "TRIAL_CONVERTED"),
        ("SUBSCRIPTION_EXPIRD", "event", "SUBSCRIPTION_TERMINATED"),
        ("subscription_state", "property", "subscription_status"),
        ("cumulated_revenues_in_eur", "property", "cumulated_revenue_in_*"),
        # Purchasely's own draft spells it so
        (
            "expired_subscrption_duration_in_days",
            "property",
            "expired_subscription_duration_in_days",
        ),
        ("zzz", "event", None),
        ("", "property", None),
    ],
)
def test_the_nearest_name_is_the_one_meant(written, kind, meant):
    """Case and separators do not count, and a retired name leads to its successor."""
    assert catalogue().nearest(written, kind) == meant
