"""Example payloads: one of each event code, as Purchasely would send it, of a person of one's choice.

Shapes and values follow Purchasely's documented samples and attribute table; where it has no sample (trials, refunds,
grace periods, plan changes, pauses, instalments) they follow from the meanings of the fields.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

# The field that says so, in the payload and in Customer.io: a condition on it keeps examples out of a campaign.
TEST_MARK: Final = "relay_test"

_DAY_MS: Final = 86_400_000

# What each code changes in the payload of a plain monthly subscription; days count from the purchase.
_OVER: Final = {"subscription_status": "DEACTIVATED"}
_HOLD: Final = {"subscription_status": "ON_HOLD"}
_TRIAL: Final = {
    "offer_type": "FREE_TRIAL",
    "plan_price_in_eur": 0.0,
    "plan_price_in_customer_currency": 0.0,
    "cumulated_revenues_in_eur": 0.0,
}
_PROMO: Final = {"offer_identifier": "SUMMER50", "offer_code_ref_name": "summer-2025"}
_PROMOTION: Final = {"offer_identifier": "winback_3m", "promotional_offer_id": "winback_3m"}
_PLAY: Final = {"store": "GOOGLE_PLAY_STORE"}
_FROM: Final = {"transferred_from_anonymous_user_id": "6837C35A-949B-4489-B212-62F66ACA6CC2"}
_CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "ACTIVATE": {"source_event_name": "SUBSCRIPTION_RENEWED"},
    "DEACTIVATE": {"source_event_name": "SUBSCRIPTION_TERMINATED", **_OVER},
    "TRANSACTION_PROCESSED": {
        "source_event_name": "SUBSCRIPTION_RENEWED",
        "amount_in_eur": 9.99,
        "amount_in_customer_currency": 9.99,
    },
    "TRIAL_STARTED": _TRIAL,
    "INTRO_OFFER_STARTED": {"offer_type": "INTRO_OFFER", "plan_price_in_eur": 4.99},
    "PROMO_CODE_STARTED": {"offer_type": "PROMO_CODE", **_PROMO},
    "TRIAL_CONVERTED": {"previous_offer_type": "FREE_TRIAL"},
    "INTRO_OFFER_CONVERTED": {"previous_offer_type": "INTRO_OFFER"},
    "PROMO_CODE_CONVERTED": {"previous_offer_type": "PROMO_CODE", **_PROMO},
    "TRIAL_NOT_CONVERTED": {**_TRIAL, **_OVER},
    "INTRO_OFFER_NOT_CONVERTED": {"offer_type": "INTRO_OFFER", **_OVER},
    "PROMO_CODE_NOT_CONVERTED": {"offer_type": "PROMO_CODE", **_PROMO, **_OVER},
    "PROMOTIONAL_OFFER_STARTED": {"offer_type": "PROMOTIONAL_OFFER", **_PROMOTION},
    "PROMOTIONAL_OFFER_CONVERTED": {"previous_offer_type": "PROMOTIONAL_OFFER", **_PROMOTION},
    "PROMOTIONAL_OFFER_NOT_CONVERTED": {"offer_type": "PROMOTIONAL_OFFER", **_PROMOTION, **_OVER},
    "SUBSCRIPTION_DEFERRED": {**_PLAY, "defer_end_at": 37, "effective_next_renewal_at": 37},
    "SUBSCRIPTION_CROSSGRADED": {"plan": "other_monthly", "previous_plan": "monthly"},
    "SUBSCRIPTION_DOWNGRADED": {"plan": "basic_monthly", "previous_plan": "monthly"},
    "SUBSCRIPTION_UPGRADED": {"plan": "yearly", "previous_plan": "monthly"},
    "RENEWAL_DISABLED": {"subscription_status": "AUTO_RENEWING_CANCELED"},
    "SUBSCRIPTION_TERMINATED": _OVER,
    "FAMILY_SHARED_REVOKED": {"is_family_shared": True, **_OVER},
    "GRACE_PERIOD_STARTED": {
        "subscription_status": "IN_GRACE_PERIOD",
        "grace_period_expires_at": 36,
        "effective_next_renewal_at": 36,
    },
    "GRACE_PERIOD_TERMINATED": _HOLD,
    "ENTERED_BILLING_RETRY": _HOLD,
    "SUBSCRIPTION_CANCELLED_DURING_GRACE_PERIOD": _OVER,
    "SUBSCRIPTION_WILL_PAUSE": {**_PLAY, "auto_resume_at": 90},
    "SUBSCRIPTION_PAUSED": {**_PLAY, "subscription_status": "PAUSED", "auto_resume_at": 90},
    "SUBSCRIPTION_UNPAUSED": _PLAY,
    "SUBSCRIPTION_CANCELLED_DURING_PAUSE": {**_PLAY, **_OVER},
    "SUBSCRIPTION_WILL_NOT_PAUSE": _PLAY,
    "SUBSCRIPTION_TRANSFERRED": {"transferred_to_user_id": "another-customer", **_OVER},
    "SUBSCRIPTION_RECEIVED": _FROM,
    "ONE_TIME_PURCHASE_TRANSFERRED": {"transferred_to_user_id": "another-customer"},
    "ONE_TIME_PURCHASE_RECEIVED": _FROM,
    "SUBSCRIPTION_REFUNDED_REVOKED": {"subscription_status": "REVOKED", "cumulated_revenues_in_eur": 0.0},
    "INSTALLMENT_PAID": {"plan": "yearly_commitment"},
    "INSTALLMENT_REFUNDED": {"plan": "yearly_commitment"},
}
_DATES: Final = ("defer_end_at", "effective_next_renewal_at", "grace_period_expires_at", "auto_resume_at")

_COMMON: Final = {
    "api_version": 3,
    "device_type": "PHONE",
    "store": "APPLE_APP_STORE",
    "store_country": "FR",
    "store_app_bundle_id": "com.example.app",
    "product": "EXAMPLE_PLUS",
    "offer_type": "NONE",
    "is_family_shared": False,
    "customer_currency": "EUR",
    "cumulated_revenues_in_eur": 9.99,
    "placement": "onboarding",
}
_SUBSCRIPTION: Final = {
    "plan": "monthly",
    "purchase_type": "RENEWING_SUBSCRIPTION",
    "store_product_id": "com.example.app.monthly",
    "store_original_transaction_id": "2000000137582598",
    "store_transaction_id": "2000000137599001",
    "subscription_status": "AUTO_RENEWING",
    "plan_price_in_eur": 9.99,
    "plan_price_in_customer_currency": 9.99,
    "next_renewal_at": 30,
    "effective_next_renewal_at": 30,
}
_PURCHASE: Final = {
    "plan": "lifetime",
    "purchase_type": "NON_CONSUMABLE",
    "store_product_id": "com.example.app.lifetime",
    "store_original_transaction_id": "100000099999999",
    "store_transaction_id": "100000099999999",
}


def example(
    code: str,
    person: Mapping[str, str],
    event_id: str,
    now_ms: int,
    environment: Literal["PRODUCTION", "SANDBOX"] = "SANDBOX",
) -> dict[str, Any]:
    """The payload of an event that happened at `now_ms` (Unix ms), marked as a test.

    `person` has the fields that name the customer, as `{"user_id": "anna"}`. A code that is not in the catalogue is
    about a plain subscription.

    >>> payload = example("RENEWAL_DISABLED", {"user_id": "anna"}, "test-1", 1764115200000)
    >>> payload["subscription_status"], payload["environment"], payload["next_renewal_at"], payload["relay_test"]
    ('AUTO_RENEWING_CANCELED', 'SANDBOX', '2025-12-26T00:00:00.000Z', True)
    """
    is_purchase = code.startswith("ONE_TIME_PURCHASE_")
    kind = _PURCHASE if is_purchase else _SUBSCRIPTION
    about = "purchasely_one_time_purchase_id" if is_purchase else "purchasely_subscription_id"
    fields: dict[str, Any] = {"event_name": code, "event_id": event_id, **_COMMON, **kind, **_CHANGES.get(code, {})}
    fields |= {about: f"test-{event_id[-12:]}", **person, "environment": environment, TEST_MARK: True}
    for field in ("next_renewal_at", *_DATES):
        if field in fields:
            fields |= _instant(field, now_ms + fields[field] * _DAY_MS)
    for field in ("event_created_at", "purchased_at", "original_purchased_at"):
        fields |= _instant(field, now_ms)
    return fields


def _instant(field: str, at_ms: int) -> dict[str, Any]:
    """Both forms that Purchasely gives a date: ISO 8601, and milliseconds."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return {field: f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z", f"{field}_ms": at_ms}
