"""The properties of a person: the recipes they are for, who speaks, and what is cleared."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.payloads import DAY_MS, HISTORIES, START_MS, event, history, payload
from worker.people.facts import read_facts
from worker.people.person import absorb, decode
from worker.people.properties import DATE_PROPERTIES, PROPERTIES, compile_properties, properties

PLANS = {"monthly": "P1M", "yearly": "P1Y"}


def person_of(*bodies):
    person = decode(None)
    for body in bodies:
        absorb(person, read_facts(event(body)))
    return person


def told(*bodies):
    return properties(person_of(*bodies), PLANS)


def some(result, *names):
    return {name: result.get(name, ...) for name in names}


# Purchasely's campaign recipes (documentation: CRM integrations)


@pytest.mark.parametrize(("kind", "offer"), [("trial_lapsed", "FREE_TRIAL"), ("intro_lapsed", "INTRO_OFFER")])
@pytest.mark.parametrize("end", [{}, {"offer_type": "NONE", "previous_offer_type": "FREE_TRIAL"}, {"offer_type": ...}])
def test_recipe_lapsed_trial(kind, offer, end):
    """No active subscription and the offer that ended, even where the events of the end do not tell it any more."""
    bodies = [body | end if body["subscription_status"] == "DEACTIVATED" else body for body in history(kind)]
    bodies = [{field: value for field, value in body.items() if value is not ...} for body in bodies]
    expected = {"has_active_subscription": False, "offer_type": offer}
    assert some(told(*bodies), *expected) == expected
    assert some(told(*bodies[::-1]), *expected) == expected


def test_recipe_about_to_churn():
    """Auto-renewal is off, and it is no offer that ends."""
    result = told(*history("ended")[:7])
    expected = {"subscription_status": "AUTO_RENEWING_CANCELED", "offer_type": "NONE", "has_active_subscription": True}
    assert some(result, *expected) == expected


@pytest.mark.parametrize("kind", ["ended", "trial_converted"])
def test_recipe_lapsed_paid_subscription(kind):
    """A subscription that was paid for has ended: it is not taken for a lapsed trial."""
    expected = {"subscription_status": "DEACTIVATED", "has_active_subscription": False, "offer_type": "NONE"}
    assert some(told(*history(kind)), *expected) == expected


def test_recipe_billing_trouble():
    """A payment failed, access is kept."""
    expected = {
        "subscription_status": "IN_GRACE_PERIOD",
        "has_active_subscription": True,
        "is_in_grace_period": True,
        "grace_period_expires_at": START_MS + 36 * DAY_MS,
    }
    assert some(told(*history("grace_recovered")[:5]), *expected) == expected


# Dates that hold for a time


@pytest.mark.parametrize(
    ("name", "kind", "moment", "until_day"),
    [
        ("trial_ends_at", "trial_converted", 3, 7),
        ("trial_ends_at", "trial_lapsed", 3, 7),
        ("grace_period_expires_at", "grace_recovered", 5, 36),
        ("grace_period_expires_at", "retry_lost", 5, 36),
        ("grace_period_expires_at", "grace_cancelled", 5, 36),
        ("defer_end_at", "deferred", 4, 37),
        ("auto_resume_at", "resumed", 6, 90),
        ("auto_resume_at", "pause_cancelled", 6, 90),
        ("auto_resume_at", "pause_withdrawn", 4, 90),
    ],
)
def test_a_date_is_told_while_it_holds_and_then_cleared(name, kind, moment, until_day):
    """Before: not sent at all; while it holds: the date; after: None; of one who never had it: nothing."""
    bodies = history(kind)
    assert told(*bodies[:moment])[name] == START_MS + until_day * DAY_MS
    assert told(*bodies)[name] is None
    assert told(*bodies[::-1])[name] is None
    assert name not in told(*history("ended"))


def test_a_date_that_the_ending_event_still_carries_does_not_hold():
    """The end of grace, trial and pause counts, not what its payload still says."""
    late = {"event_created_at_ms": START_MS + 40 * DAY_MS}
    grace, pause = {"grace_period_expires_at_ms": START_MS}, {"auto_resume_at_ms": START_MS}
    assert told(payload("GRACE_PERIOD_TERMINATED", **grace, **late))["grace_period_expires_at"] is None
    assert told(payload("SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD", **grace))["grace_period_expires_at"] is None
    assert told(payload("SUBSCRIPTION_UNPAUSED", **pause))["auto_resume_at"] is None
    assert told(payload("SUBSCRIPTION_WILL_NOT_PAUSE", **pause))["auto_resume_at"] is None
    assert told(payload("SUBSCRIPTION_TERMINATED", defer_end_at_ms=START_MS))["defer_end_at"] is None


def test_a_pause():
    """Paused is no access and no end; resumed is as before."""
    paused, resumed = told(*history("paused")), told(*history("resumed"))
    names = ("has_active_subscription", "has_expired_subscription", "subscription_status", "auto_resume_at")
    assert list(some(paused, *names).values()) == [False, False, "PAUSED", START_MS + 90 * DAY_MS]
    assert list(some(resumed, *names).values()) == [True, False, "AUTO_RENEWING", None]


def test_a_billing_retry():
    """In billing retry there is no access and no end yet; unpaid it ended with the grace period."""
    names = ("has_active_subscription", "has_expired_subscription", "is_in_billing_retry", "subscription_status")
    assert list(some(told(*history("retry_lost")[:8]), *names).values()) == [False, False, True, "ON_HOLD"]
    lost = told(*history("retry_lost"))
    assert list(some(lost, *names).values()) == [False, True, False, "UNPAID"]
    assert lost["expired_subscription_expired_at"] == START_MS + 36 * DAY_MS


def test_a_refund():
    """A refund ends at once, whatever had been paid until; the revenue is the newest, also when it fell."""
    expected = {
        "has_active_subscription": False,
        "subscription_status": "REVOKED",
        "is_auto_renewing": False,
        "has_expired_subscription": True,
        "expired_subscription_expired_at": START_MS + 3 * DAY_MS + 1500,
        "expired_subscription_status": "REVOKED",
        "expired_subscription_plan": "monthly",
        "expired_subscription_offer_type": "NONE",
        "expired_subscription_duration_in_days": 3,
        "cumulated_revenue_in_eur": 0.0,
    }
    assert some(told(*history("refunded")), *expected) == expected
    assert some(told(*history("refunded")[::-1]), *expected) == expected


def test_news_after_the_end_do_not_move_it():
    """A neutral event about a subscription that is over leaves the time of its end."""
    after = payload("INSTALLMENT_REFUNDED", event_created_at_ms=START_MS + 9 * DAY_MS, subscription_status="REVOKED")
    result = told(*history("refunded"), after)
    assert result["expired_subscription_expired_at"] == START_MS + 3 * DAY_MS + 1500
    assert result["last_event"] == "INSTALLMENT_REFUNDED"


@pytest.mark.parametrize("order", [1, -1])
def test_the_start_is_the_first_one_told(order):
    """Of two events that start a subscription the earlier purchase counts; without any, the first transaction."""
    starts = [
        payload("SUBSCRIPTION_STARTED", purchased_at_ms=START_MS + 5),
        payload("TRIAL_STARTED", purchased_at_ms=START_MS + 9, event_created_at_ms=START_MS + DAY_MS),
        payload("SUBSCRIPTION_RENEWED", purchased_at_ms=START_MS + 1, event_created_at_ms=START_MS + DAY_MS),
    ]
    assert told(*starts[::order])["subscription_started_at"] == START_MS + 5
    assert told(starts[2])["subscription_started_at"] == START_MS


def test_an_end_that_is_undone_is_cleared():
    """After a reactivation nothing has expired, and what was said of the end is taken back."""
    result = told(*history("reactivated"))
    assert result["has_active_subscription"] is True
    assert result["has_expired_subscription"] is False
    assert {value for name, value in result.items() if name.startswith("expired_")} == {None}
    assert not [name for name in told(*history("renewing")) if name.startswith("expired_")]


def test_flags_of_offers():
    """One is in an offer as long as the subscription lives; the offer itself is remembered."""
    flags = ("is_in_trial", "is_in_intro_offer", "is_promo_code")
    assert list(some(told(payload("TRIAL_STARTED")), *flags).values()) == [True, False, False]
    assert list(some(told(payload("INTRO_OFFER_STARTED")), *flags).values()) == [False, True, False]
    assert list(some(told(payload("PROMO_CODE_STARTED")), *flags).values()) == [False, False, True]
    assert list(some(told(*history("trial_lapsed")), *flags).values()) == [False, False, False]


def test_what_only_some_events_carry_is_remembered():
    """The code of an offer and the former plan are on few events; later ones do not erase them."""
    result = told(*history("code_converted"))
    assert some(result, "offer_identifier", "offer_code_ref_name") == {
        "offer_identifier": "SUMMER50",
        "offer_code_ref_name": "summer-2025",
    }
    assert told(*history("upgraded"))["previous_plan"] == "monthly"


# Several subscriptions


def both(one, two):
    first = history(one, purchasely_subscription_id="subs_1")
    return first + history(two, purchasely_subscription_id="subs_2", store="STRIPE", start_ms=START_MS + DAY_MS)


@pytest.mark.parametrize(
    ("one", "two", "speaks"),
    [
        ("renewing", "ended", "subs_1"),  # a live one before one that is over, whatever came last
        ("ended", "renewing", "subs_2"),
        ("renewing", "renewing", "subs_2"),  # of live ones the one that renews last
        ("ended", "ended", "subs_2"),  # of ended ones the one that ended last
        ("ended", "refunded", "subs_1"),
        ("ended", "paused", "subs_2"),  # one that will come back before one that will not
        ("transferred", "refunded", "subs_2"),  # one's own past before what went elsewhere
        ("trial_lapsed", "transferred", "subs_1"),
    ],
)
def test_who_speaks(one, two, speaks):
    """The rule of several subscriptions, in both orders of arrival."""
    bodies = both(one, two)
    assert told(*bodies)["purchasely_subscription_id"] == speaks
    assert told(*bodies[::-1])["purchasely_subscription_id"] == speaks


def test_the_greatest_id_speaks_among_equals():
    """Of two that are alike in all else the greater id speaks."""
    alike = [payload("ACTIVATE", purchasely_subscription_id=key) for key in ("subs_1", "subs_2")]
    assert told(*alike)["purchasely_subscription_id"] == told(*alike[::-1])["purchasely_subscription_id"] == "subs_2"


def test_one_ending_of_two_leaves_the_person_active():
    """With a live subscription in another store the end of one is sent as an end, not as inactivity."""
    result = told(*both("ended", "renewing"))
    expected = {
        "has_active_subscription": True,
        "subscription_status": "AUTO_RENEWING",
        "store": "STRIPE",
        "last_event": "SUBSCRIPTION_RENEWED",
        "has_expired_subscription": True,
        "expired_subscription_status": "DEACTIVATED",
        "expired_subscription_duration_in_days": 60,
    }
    assert some(result, *expected) == expected


def test_what_another_subscription_told_is_cleared():
    """When another subscription begins to speak, nothing of the former speaker stays that it does not have itself."""
    with_code = history("code_lapsed", purchasely_subscription_id="subs_1")
    plain = history("renewing", purchasely_subscription_id="subs_2")
    trial = history("trial_lapsed", purchasely_subscription_id="subs_1")
    assert told(*with_code)["offer_identifier"] == "SUMMER50"
    assert told(*with_code, *plain)["offer_identifier"] is None
    assert told(*trial, *plain)["trial_ends_at"] is None
    assert "offer_identifier" not in told(*plain)


def test_ids_of_the_person_are_the_newest():
    """The ids of the person are those of the newest event, whichever subscription speaks."""
    ended = history("trial_lapsed", purchasely_subscription_id="subs_1", user_id="jeff", device_id="new")
    live = payload("SUBSCRIPTION_STARTED", purchasely_subscription_id="subs_2", user_id="toto", anonymous_user_id="a")
    assert some(told(*ended, live), "user_id", "device_id", "anonymous_user_id") == {
        "user_id": "jeff",
        "device_id": "new",
        "anonymous_user_id": "a",
    }


# One-time purchases


def test_a_person_with_a_one_time_purchase_only():
    """Without a subscription the purchase speaks: no status, no flags of a subscription."""
    assert told(*history("one_time")) == {
        "user_id": "user_42",
        "device_id": "1234567890abcdef",
        "environment": "PRODUCTION",
        "store": "APPLE_APP_STORE",
        "store_country": "FR",
        "store_product_id": "com.purchasely.lifetime",
        "store_transaction_id": "100000099999999",
        "store_original_transaction_id": "100000099999999",
        "product": "PURCHASELY_PLUS",
        "plan": "lifetime",
        "plan_periodicity": None,
        "purchase_type": "NON_CONSUMABLE",
        "offer_type": "NONE",
        "is_family_shared": False,
        "original_purchased_at": START_MS,
        "purchased_at": START_MS,
        "content_id": "movie_123",
        "placement": "onboarding",
        "presentation": "autumn_paywall",
        "last_event": "ACTIVATE",
        "purchasely_one_time_purchase_id": "otp_XXXXXXXFFFFFFFFF",
        "cumulated_revenue_in_eur": 0.0,
    }


def test_a_one_time_purchase_beside_a_subscription():
    """Once a subscription was seen it speaks, even an ended one; of the purchase only its id is sent."""
    result = told(*history("ended"), *history("one_time", start_ms=START_MS + 99 * DAY_MS))
    assert some(result, "plan", "content_id", "last_event", "purchasely_one_time_purchase_id") == {
        "plan": "monthly",
        "content_id": None,
        "last_event": "SUBSCRIPTION_TERMINATED",
        "purchasely_one_time_purchase_id": "otp_XXXXXXXFFFFFFFFF",
    }


# The whole


def test_a_plain_subscription_as_a_whole():
    """All that is sent of a person with one subscription, by its own names."""
    assert told(*history("renewing")) == {
        "user_id": "user_42",
        "device_id": "1234567890abcdef",
        "has_active_subscription": True,
        "environment": "PRODUCTION",
        "store": "APPLE_APP_STORE",
        "store_country": "FR",
        "product": "PURCHASELY_PLUS",
        "plan": "monthly",
        "plan_periodicity": "P1M",
        "subscription_status": "AUTO_RENEWING",
        "offer_type": "NONE",
        "previous_offer_type": "NONE",
        "is_family_shared": False,
        "placement": "onboarding",
        "presentation": "autumn_paywall",
        "purchase_type": "RENEWING_SUBSCRIPTION",
        "original_purchased_at": START_MS,
        "purchased_at": START_MS + 60 * DAY_MS,
        "subscription_started_at": START_MS,
        "next_renewal_at": START_MS + 90 * DAY_MS,
        "effective_next_renewal_at": START_MS + 90 * DAY_MS,
        "is_auto_renewing": True,
        "is_in_billing_retry": False,
        "is_in_grace_period": False,
        "is_in_intro_offer": False,
        "is_in_trial": False,
        "is_promo_code": False,
        "last_event": "SUBSCRIPTION_RENEWED",
        "purchasely_subscription_id": "subs_gxAHaBBV6jftATvWf8D1p1kkSSH2yiz",
        "store_product_id": "com.purchasely.plus.monthly",
        "store_transaction_id": f"2{START_MS + 60 * DAY_MS}",
        "store_original_transaction_id": "2000000137582598",
        "cumulated_revenue_in_eur": 29.97,
        "has_expired_subscription": False,
    }


def test_the_names_are_those_of_purchasely():
    """43 documented properties and the six of an expired subscription; the dates among them."""
    assert len(PROPERTIES) == 43 + 6
    assert DATE_PROPERTIES <= PROPERTIES
    named = {name for name in PROPERTIES if name.endswith(("_at", "_ends_at"))}
    assert named == DATE_PROPERTIES


def test_the_periodicity_is_of_the_plans_table():
    """A plan that the table lacks clears the periodicity; without a table nothing is said."""
    person = person_of(payload("ACTIVATE", plan="weekly"))
    assert properties(person, {"weekly": "P1W"})["plan_periodicity"] == "P1W"
    assert properties(person, PLANS)["plan_periodicity"] is None
    assert "plan_periodicity" not in properties(person, {})


def test_revenue_in_several_currencies():
    """Each currency has its newest amount; a compiled family takes all, a single name one."""
    later = {"event_created_at_ms": START_MS + DAY_MS, "cumulated_revenues_in_eur": 1.5}
    person = person_of(payload("ACTIVATE", cumulated_revenues_in_usd=7), payload("ACTIVATE", **later))
    revenue = {"cumulated_revenue_in_eur": 1.5, "cumulated_revenue_in_usd": 7.0}
    assert compile_properties(["cumulated_revenue_in_*"], {})(person) == revenue
    assert compile_properties(["cumulated_revenue_in_usd"], {})(person) == {"cumulated_revenue_in_usd": 7.0}
    assert compile_properties([], {})(person) == {}


@given(
    st.lists(st.sampled_from(sorted(HISTORIES)), min_size=1, max_size=3),
    st.sets(st.sampled_from(sorted(PROPERTIES))),
)
@settings(max_examples=100, deadline=None)
def test_compiled_properties_are_a_part_of_all(kinds, wanted):
    """What is computed alone is what is computed among all."""
    bodies = [body for n, kind in enumerate(kinds) for body in history(kind, purchasely_subscription_id=f"subs_{n}")]
    person = person_of(*bodies)
    every = properties(person, PLANS)
    assert compile_properties(wanted, PLANS)(person) == {name: every[name] for name in every if name in wanted}
