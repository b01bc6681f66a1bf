"""Realistic webhook payloads (version 3) for every event code, and the histories of whole people.

Shapes and values follow Purchasely's documented samples and attribute table. No official sample exists for trials,
refunds, grace periods, plan changes, pauses and instalments: those are constructed from the meanings of the fields.
"""

import uuid
from datetime import UTC, datetime

import orjson

from worker.purchasely.event import read_event

DAY_MS = 86_400_000
START_MS = 1_760_000_000_000
"""When the histories begin: 2025-10-09T08:53:20Z."""

_FAR = uuid.UUID("5f0c0b52-8f0b-4a52-9d6b-0f2d3f0f5a11")

_TRIAL = {"offer_type": "FREE_TRIAL", "plan_price_in_eur": 0.0, "plan_price_in_customer_currency": 0.0}
_CODE = {"offer_identifier": "SUMMER50", "offer_code_ref_name": "summer-2025"}
_PROMOTION = {"offer_identifier": "winback_3m", "promotional_offer_id": "winback_3m"}
_LATER_MS = START_MS + 30 * DAY_MS
_OVER = {"subscription_status": "DEACTIVATED"}
_HOLD = {"subscription_status": "ON_HOLD"}

# What each code changes in the payload of a plain monthly subscription.
CODES = {
    "ACTIVATE": {"source_event_name": "SUBSCRIPTION_RENEWED"},
    "DEACTIVATE": {"source_event_name": "SUBSCRIPTION_TERMINATED", **_OVER},
    "TRANSACTION_PROCESSED": {
        "source_event_name": "SUBSCRIPTION_RENEWED",
        "amount_in_eur": 9.99,
        "amount_in_customer_currency": 9.99,
    },
    "SUBSCRIPTION_STARTED": {"previous_offer_type": ...},
    "TRIAL_STARTED": {**_TRIAL, "cumulated_revenues_in_eur": 0.0, "previous_offer_type": ...},
    "INTRO_OFFER_STARTED": {"offer_type": "INTRO_OFFER", "plan_price_in_eur": 4.99, "previous_offer_type": ...},
    "PROMO_CODE_STARTED": {"offer_type": "PROMO_CODE", **_CODE},
    "TRIAL_CONVERTED": {"previous_offer_type": "FREE_TRIAL"},
    "INTRO_OFFER_CONVERTED": {"previous_offer_type": "INTRO_OFFER"},
    "PROMO_CODE_CONVERTED": {"previous_offer_type": "PROMO_CODE", **_CODE},
    "TRIAL_NOT_CONVERTED": {**_TRIAL, **_OVER},
    "INTRO_OFFER_NOT_CONVERTED": {"offer_type": "INTRO_OFFER", **_OVER},
    "PROMO_CODE_NOT_CONVERTED": {"offer_type": "PROMO_CODE", **_CODE, **_OVER},
    "PROMOTIONAL_OFFER_STARTED": {"offer_type": "PROMOTIONAL_OFFER", **_PROMOTION},
    "PROMOTIONAL_OFFER_CONVERTED": {"previous_offer_type": "PROMOTIONAL_OFFER", **_PROMOTION},
    "PROMOTIONAL_OFFER_NOT_CONVERTED": {"offer_type": "PROMOTIONAL_OFFER", **_PROMOTION, **_OVER},
    "SUBSCRIPTION_RENEWED": {},
    "SUBSCRIPTION_DEFERRED": {
        "store": "GOOGLE_PLAY_STORE",
        "defer_end_at_ms": _LATER_MS + 7 * DAY_MS,
        "effective_next_renewal_at_ms": _LATER_MS + 7 * DAY_MS,
    },
    "SUBSCRIPTION_REACTIVATED": {},
    "SUBSCRIPTION_CROSSGRADED": {"plan": "other_monthly", "previous_plan": "monthly"},
    "SUBSCRIPTION_DOWNGRADED": {"plan": "basic_monthly", "previous_plan": "monthly"},
    "SUBSCRIPTION_UPGRADED": {"plan": "yearly", "previous_plan": "monthly"},
    "RENEWAL_DISABLED": {"subscription_status": "AUTO_RENEWING_CANCELED"},
    "RENEWAL_ENABLED": {},
    "SUBSCRIPTION_TERMINATED": _OVER,
    "FAMILY_SHARED_REVOKED": {"is_family_shared": True, **_OVER},
    "GRACE_PERIOD_STARTED": {
        "subscription_status": "IN_GRACE_PERIOD",
        "grace_period_expires_at_ms": _LATER_MS + 6 * DAY_MS,
        "effective_next_renewal_at_ms": _LATER_MS + 6 * DAY_MS,
    },
    "GRACE_PERIOD_TERMINATED": _HOLD,
    "ENTERED_BILLING_RETRY": _HOLD,
    "SUBSCRIPTION_CANCELLED_DURING_GRACE_PERIOD": _OVER,
    "SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD": {},
    "SUBSCRIPTION_RECOVERED_FROM_BILLING_RETRY": {},
    "SUBSCRIPTION_WILL_PAUSE": {"store": "GOOGLE_PLAY_STORE", "auto_resume_at_ms": _LATER_MS + 60 * DAY_MS},
    "SUBSCRIPTION_PAUSED": {
        "store": "GOOGLE_PLAY_STORE",
        "subscription_status": "PAUSED",
        "auto_resume_at_ms": _LATER_MS + 60 * DAY_MS,
    },
    "SUBSCRIPTION_UNPAUSED": {"store": "GOOGLE_PLAY_STORE"},
    "SUBSCRIPTION_CANCELLED_DURING_PAUSE": {"store": "GOOGLE_PLAY_STORE", **_OVER},
    "SUBSCRIPTION_WILL_NOT_PAUSE": {"store": "GOOGLE_PLAY_STORE"},
    "SUBSCRIPTION_TRANSFERRED": {"transferred_to_user_id": "jeff", **_OVER},
    "SUBSCRIPTION_RECEIVED": {"transferred_from_anonymous_user_id": "6837C35A-949B-4489-B212-62F66ACA6CC2"},
    "ONE_TIME_PURCHASE_TRANSFERRED": {"transferred_to_user_id": "jeff"},
    "ONE_TIME_PURCHASE_RECEIVED": {"transferred_from_anonymous_user_id": "6837C35A-949B-4489-B212-62F66ACA6CC2"},
    "SUBSCRIPTION_REFUNDED_REVOKED": {"subscription_status": "REVOKED", "cumulated_revenues_in_eur": 0.0},
    "INSTALLMENT_PAID": {"plan": "yearly_commitment"},
    "INSTALLMENT_REFUNDED": {"plan": "yearly_commitment"},
}

_COMMON = {
    "api_version": 3,
    "environment": "PRODUCTION",
    "user_id": "user_42",
    "device_id": "1234567890abcdef",
    "device_type": "PHONE",
    "store": "APPLE_APP_STORE",
    "store_country": "FR",
    "store_app_bundle_id": "com.purchasely.demo",
    "product": "PURCHASELY_PLUS",
    "offer_type": "NONE",
    "is_family_shared": False,
    "customer_currency": "EUR",
    "cumulated_revenues_in_eur": 19.98,
    "placement": "onboarding",
    "presentation": "autumn_paywall",
    "original_purchased_at_ms": START_MS,
}
_SUBSCRIPTION = {
    "plan": "monthly",
    "purchase_type": "RENEWING_SUBSCRIPTION",
    "store_product_id": "com.purchasely.plus.monthly",
    "store_original_transaction_id": "2000000137582598",
    "store_transaction_id": "2000000137599001",
    "purchasely_subscription_id": "subs_gxAHaBBV6jftATvWf8D1p1kkSSH2yiz",
    "subscription_status": "AUTO_RENEWING",
    "previous_offer_type": "NONE",
    "plan_price_in_eur": 9.99,
    "plan_price_in_customer_currency": 9.99,
    "event_created_at_ms": START_MS + 1500,
    "purchased_at_ms": START_MS,
    "next_renewal_at_ms": START_MS + 30 * DAY_MS,
    "effective_next_renewal_at_ms": START_MS + 30 * DAY_MS,
}
_PURCHASE = {
    "plan": "lifetime",
    "purchase_type": "NON_CONSUMABLE",
    "content_id": "movie_123",
    "store_product_id": "com.purchasely.lifetime",
    "store_original_transaction_id": "100000099999999",
    "store_transaction_id": "100000099999999",
    "purchasely_one_time_purchase_id": "otp_XXXXXXXFFFFFFFFF",
    "event_created_at_ms": START_MS + 1500,
    "purchased_at_ms": START_MS,
}


def iso(time_ms):
    """Unix milliseconds as Purchasely writes an instant."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def payload(code, *, purchase=False, **overrides):
    """A full payload of an event code; any field can be overridden, `...` leaves it out.

    Set dates by their `_ms` field: the ISO twin follows. `purchase=True` is about a one-time purchase. The `event_id`
    is made of the code, the time, the person and the subscription, so that siblings differ and a repetition does not.
    """
    purchase = purchase or code.startswith("ONE_TIME_PURCHASE_")
    fields = {"event_name": code, **_COMMON, **(_PURCHASE if purchase else _SUBSCRIPTION)}
    changes = CODES.get(code, {})
    if purchase and code in {"ACTIVATE", "DEACTIVATE"}:
        changes = {}
    fields |= changes
    fields |= overrides
    for field in [field for field in fields if field.endswith("_at_ms")]:
        if isinstance(fields[field], int):
            fields.setdefault(field.removesuffix("_ms"), iso(fields[field]))
    about = [fields.get(f) for f in ("purchasely_subscription_id", "purchasely_one_time_purchase_id", "user_id")]
    fields.setdefault("event_id", str(uuid.uuid5(_FAR, f"{code} {fields['event_created_at_ms']} {about}")))
    # the samples' own order of keys: by length, as of a Postgres jsonb
    return {key: fields[key] for key in sorted(fields, key=lambda key: (len(key), key)) if fields[key] is not ...}


def event(body, received_ms=None):
    """The event of a payload, as if stored at that time (None: when it happened)."""
    if received_ms is None:
        time_ms = body.get("event_created_at_ms")
        received_ms = max(START_MS, time_ms) if type(time_ms) is int and time_ms < 10**14 else START_MS
    return read_event(f"{received_ms}-0", orjson.dumps(body))


# A history is a list of moments: (day, its codes, the day until which a transaction pays or None, what changes in the
# payload from then on).

_NOW_ON = {"subscription_status": "AUTO_RENEWING"}
_NOW_OFF = {"subscription_status": "AUTO_RENEWING_CANCELED"}
_FULL_PRICE = {"offer_type": "NONE", "plan_price_in_eur": 9.99, "plan_price_in_customer_currency": 9.99}
_ENDS = "DEACTIVATE SUBSCRIPTION_TERMINATED"
_PAID = "ACTIVATE TRANSACTION_PROCESSED"
_STARTS = f"{_PAID} SUBSCRIPTION_STARTED"
_RENEWS = f"{_PAID} SUBSCRIPTION_RENEWED"

_START = (0, _STARTS, 30, {})
_TRIAL_START = (0, "ACTIVATE SUBSCRIPTION_STARTED TRIAL_STARTED", 7, _TRIAL)
_GRACE = (30, "ACTIVATE GRACE_PERIOD_STARTED", None, {"subscription_status": "IN_GRACE_PERIOD", "grace": 36})
_RETRY = (36, "DEACTIVATE GRACE_PERIOD_TERMINATED ENTERED_BILLING_RETRY", None, {**_HOLD, "grace": None})
_PAUSE = [
    _START,
    (20, "SUBSCRIPTION_WILL_PAUSE", None, {"resume": 90}),
    (30, "DEACTIVATE SUBSCRIPTION_PAUSED", None, {"subscription_status": "PAUSED"}),
]


def _offer(name, offer, fields, *, converts):
    start = (0, f"{_STARTS} {name}_STARTED", 30, {"offer_type": offer, **fields})
    if converts:
        change = {**_FULL_PRICE, "previous_offer_type": offer}
        return [
            start,
            (30, f"{_RENEWS} {name}_CONVERTED", 60, change),
            (60, _RENEWS, 90, {"previous_offer_type": "NONE"}),
        ]
    return [start, (9, "RENEWAL_DISABLED", None, _NOW_OFF), (30, f"{_ENDS} {name}_NOT_CONVERTED", None, _OVER)]


def _change(code, plan, until):
    new = {"plan": plan, "previous_plan": "monthly", **_NOW_ON}
    return [
        _START,
        (12, "DEACTIVATE", None, {**_OVER, "why": code}),
        (12, f"{_PAID} {code}", until, {**new, "successor": plan}),
        (until, _RENEWS, until * 2, {"previous_plan": ..., "successor": ...}),
    ]


HISTORIES = {
    "renewing": [_START, (30, _RENEWS, 60, {}), (60, _RENEWS, 90, {})],
    "ended": [_START, (30, _RENEWS, 60, {}), (40, "RENEWAL_DISABLED", None, _NOW_OFF), (60, _ENDS, None, _OVER)],
    "reactivated": [_START, (30, _ENDS, None, _OVER), (50, f"{_PAID} SUBSCRIPTION_REACTIVATED", 80, _NOW_ON)],
    "kept": [_START, (9, "RENEWAL_DISABLED", None, _NOW_OFF), (12, "RENEWAL_ENABLED", None, _NOW_ON)],
    "trial_converted": [
        _TRIAL_START,
        (7, f"{_RENEWS} TRIAL_CONVERTED", 37, {**_FULL_PRICE, "previous_offer_type": "FREE_TRIAL"}),
        (37, _RENEWS, 67, {"previous_offer_type": "NONE"}),
        (40, "RENEWAL_DISABLED", None, _NOW_OFF),
        (67, _ENDS, None, _OVER),
    ],
    "trial_lapsed": [
        _TRIAL_START,
        (2, "RENEWAL_DISABLED", None, _NOW_OFF),
        (7, f"{_ENDS} TRIAL_NOT_CONVERTED", None, _OVER),
    ],
    "intro_converted": _offer("INTRO_OFFER", "INTRO_OFFER", {"plan_price_in_eur": 4.99}, converts=True),
    "intro_lapsed": _offer("INTRO_OFFER", "INTRO_OFFER", {"plan_price_in_eur": 4.99}, converts=False),
    "code_converted": _offer("PROMO_CODE", "PROMO_CODE", {}, converts=True),
    "code_lapsed": _offer("PROMO_CODE", "PROMO_CODE", {}, converts=False),
    "promotion_converted": _offer("PROMOTIONAL_OFFER", "PROMOTIONAL_OFFER", {}, converts=True),
    "promotion_lapsed": _offer("PROMOTIONAL_OFFER", "PROMOTIONAL_OFFER", {}, converts=False),
    "refunded": [
        _START,
        (3, "DEACTIVATE TRANSACTION_PROCESSED SUBSCRIPTION_REFUNDED_REVOKED", None, {"subscription_status": "REVOKED"}),
    ],
    "grace_recovered": [
        _START,
        _GRACE,
        (33, f"{_PAID} SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD", 60, {**_NOW_ON, "grace": None}),
    ],
    "grace_cancelled": [
        _START,
        _GRACE,
        (33, "DEACTIVATE SUBSCRIPTION_CANCELLED_DURING_GRACE_PERIOD", None, {**_OVER, "grace": None}),
    ],
    "retry_recovered": [
        _START,
        _GRACE,
        _RETRY,
        (50, f"{_PAID} SUBSCRIPTION_RECOVERED_FROM_BILLING_RETRY", 80, _NOW_ON),
    ],
    "retry_lost": [_START, _GRACE, _RETRY, (90, _ENDS, None, {"subscription_status": "UNPAID"})],
    "paused": _PAUSE,
    "resumed": [*_PAUSE, (90, f"{_PAID} SUBSCRIPTION_UNPAUSED", 120, {**_NOW_ON, "resume": None})],
    "pause_cancelled": [
        *_PAUSE,
        (50, "DEACTIVATE SUBSCRIPTION_CANCELLED_DURING_PAUSE", None, {**_OVER, "resume": None}),
    ],
    "pause_withdrawn": [*_PAUSE[:2], (25, "SUBSCRIPTION_WILL_NOT_PAUSE", None, {"resume": None})],
    "deferred": [_START, (9, "SUBSCRIPTION_DEFERRED", None, {"defer": 37}), (37, _RENEWS, 67, {"defer": None})],
    "upgraded": _change("SUBSCRIPTION_UPGRADED", "yearly", 377),
    "downgraded": _change("SUBSCRIPTION_DOWNGRADED", "basic_monthly", 42),
    "crossgraded": _change("SUBSCRIPTION_CROSSGRADED", "other_monthly", 42),
    "transferred": [_START, (5, "DEACTIVATE SUBSCRIPTION_TRANSFERRED", None, _OVER)],
    "received": [(5, "ACTIVATE SUBSCRIPTION_RECEIVED", 30, {}), (30, _RENEWS, 60, {})],
    "family_revoked": [_START, (8, "DEACTIVATE FAMILY_SHARED_REVOKED", None, _OVER)],
    "instalments": [
        (0, f"{_STARTS} INSTALLMENT_PAID", 30, {"plan": "yearly_commitment"}),
        (30, "INSTALLMENT_PAID TRANSACTION_PROCESSED", 60, {}),
        (45, "INSTALLMENT_REFUNDED TRANSACTION_PROCESSED", None, {}),
    ],
    "one_time": [(0, "ACTIVATE", None, {})],
    "one_time_transferred": [(0, "ACTIVATE", None, {}), (4, "DEACTIVATE ONE_TIME_PURCHASE_TRANSFERRED", None, {})],
    "one_time_received": [(4, "ACTIVATE ONE_TIME_PURCHASE_RECEIVED", None, {})],
}
"""Kinds of histories: a subscription's whole life with the siblings of each fact, or a one-time purchase's."""

_CAUSED = {"ACTIVATE", "DEACTIVATE", "TRANSACTION_PROCESSED"}
_DATES = {"grace": "grace_period_expires_at", "defer": "defer_end_at", "resume": "auto_resume_at"}


def history(kind, *, start_ms=START_MS, **fields):
    """The payloads of one kind of history in order; `fields` are the same in all of them (a person, an id).

    A plan change goes on under the subscription's id with the new plan's name behind.
    """
    kept = {"offer_type": "NONE", "plan": "monthly", "previous_offer_type": ..., "subscription_status": "AUTO_RENEWING"}
    if kind.startswith("one_time"):
        kept = {}
    kept |= {"original_purchased_at_ms": start_ms, "purchased_at_ms": start_ms, "cumulated_revenues_in_eur": 0.0}
    kept |= {f"{field}_ms": ... for field in _DATES.values()} | fields
    payloads = []
    for day, codes, until, changes in HISTORIES[kind]:
        now = {"event_created_at_ms": start_ms + day * DAY_MS + 1500}
        _pay(kept, codes.split(), start_ms + day * DAY_MS, until and start_ms + until * DAY_MS)
        kept |= _changes(changes, start_ms, fields)
        for code in codes.split():
            reasons = [other for other in codes.split() if other not in _CAUSED]
            why = {"source_event_name": changes.get("why", reasons[0] if reasons else ...)} if code in _CAUSED else {}
            payloads.append(payload(code, purchase=kind.startswith("one_time"), **kept | now | why))
        if kept.get("previous_offer_type") is ...:
            kept["previous_offer_type"] = "NONE"
    return payloads


def _pay(kept, codes, at_ms, until_ms):
    if until_ms is not None:
        kept |= {"purchased_at_ms": at_ms, "store_transaction_id": f"2{at_ms}"}
        kept |= {"next_renewal_at_ms": until_ms, "effective_next_renewal_at_ms": until_ms}
    if "TRANSACTION_PROCESSED" in codes:
        amount = -9.99 if {"SUBSCRIPTION_REFUNDED_REVOKED", "INSTALLMENT_REFUNDED"} & {*codes} else 9.99
        kept["cumulated_revenues_in_eur"] = round(kept["cumulated_revenues_in_eur"] + amount, 2)


def _changes(changes, start_ms, fields):
    kept = {}
    former = fields.get("purchasely_subscription_id", _SUBSCRIPTION["purchasely_subscription_id"])
    for field, value in changes.items():
        if field in _DATES:
            kept[f"{_DATES[field]}_ms"] = ... if value is None else start_ms + value * DAY_MS
            if value is not None and field != "resume":
                kept["effective_next_renewal_at_ms"] = start_ms + value * DAY_MS
        elif field == "successor":
            kept["from_purchasely_subscription_id"] = former if value is not ... else ...
            if value is not ...:
                kept["purchasely_subscription_id"] = f"{former}_{value}"
        elif field != "why":
            kept[field] = value
    return kept
