"""The demo's customers: what happens to their subscription, as Purchasely's payloads tell it."""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

DAY_MS = 86_400_000

# plan -> price in EUR, days of its period
PLANS = {"weekly": (2.99, 7), "monthly": (9.99, 30), "yearly": (59.99, 365)}
# country -> currency, and how much of it is a euro
COUNTRIES = {"FR": ("EUR", 1.0), "DE": ("EUR", 1.0), "US": ("USD", 1.08), "GB": ("GBP", 0.86), "JP": ("JPY", 162.0)}

Event = tuple[int, str, dict[str, Any]]
"""When it happened (Unix ms), who holds the purchase, and the payload."""


class Fact(msgspec.Struct, frozen=True):
    """One thing that happens to a subscription, and the codes that tell it, in their order.

    `when`: at the end of the running period, or some time within it. `status` and `offer` hold from then on (empty: as
    before); `pays`: the price is taken (1), given back (-1) or neither; `renews`: a new period begins.
    """

    codes: str
    when: Literal["end", "within"]
    status: str = ""
    offer: str = ""
    pays: int = 0
    renews: bool = False


class Customer:
    """One person and their one subscription, as far as their story has come."""

    def __init__(self, dice: random.Random, number: int, environment: str, *, logged_in: bool) -> None:
        self._dice = dice
        self._user_id = f"customer-{number:04}"
        self._anonymous_id = str(uuid.UUID(int=dice.getrandbits(128), version=4)).upper()
        self._logged_in = logged_in
        self._environment = environment
        self._country = dice.choice(list(COUNTRIES))
        self._store = dice.choice(["APPLE_APP_STORE", "GOOGLE_PLAY_STORE"])
        self._plan = dice.choices(list(PLANS), [1, 6, 2])[0]
        self._subscription = f"subs_{dice.getrandbits(120):030x}"
        self._transaction = str(dice.randrange(10**15, 10**16))
        self._status, self._offer, self._previous_offer = "", "NONE", ""
        self._started_ms = self._purchased_ms = 0
        self._revenue = 0.0
        self.renewal_ms = 0

    @property
    def holder(self) -> str:
        """Who holds the purchase; Purchasely keeps the order of events per holder."""
        return self._user_id if self._logged_in else self._anonymous_id

    def live(self, fact: Fact, at_ms: int) -> Iterator[Event]:
        """Let something happen; the events that tell it."""
        codes, former = fact.codes.split(), self._plan
        if "SUBSCRIPTION_UPGRADED" in codes:
            self._plan = "yearly"
        self._status = fact.status or self._status
        if fact.offer:
            self._previous_offer = self._offer if self._started_ms else ""
            self._offer = fact.offer
        price, days = PLANS[self._plan]
        if fact.renews or not self._started_ms:
            self._purchased_ms = at_ms
            self.renewal_ms = at_ms + (7 if self._offer == "FREE_TRIAL" else days) * DAY_MS
        self._started_ms = self._started_ms or at_ms
        amount = round(price * fact.pays, 2)
        self._revenue = round(self._revenue + amount, 2)
        extras: dict[str, Any] = {"previous_plan": former} if self._plan != former else {}
        for code in codes:
            yield self._event(code, at_ms, **extras, **(self._money(amount) if code == "TRANSACTION_PROCESSED" else {}))

    def log_in(self, at_ms: int) -> Iterator[Event]:
        """The anonymous customer logs in: the subscription moves to the user (two holders, two events each)."""
        gained = {"transferred_from_anonymous_user_id": self._anonymous_id}
        status, self._status = self._status, "DEACTIVATED"
        for code in ("DEACTIVATE", "SUBSCRIPTION_TRANSFERRED"):
            yield self._event(code, at_ms, transferred_to_user_id=self._user_id)
        self._status, self._logged_in = status, True
        for code in ("ACTIVATE", "SUBSCRIPTION_RECEIVED"):
            yield self._event(code, at_ms + 400, **gained)

    def _money(self, amount: float) -> dict[str, Any]:
        return {
            "amount_in_eur": amount,
            "amount_in_customer_currency": round(amount * COUNTRIES[self._country][1], 2),
        }

    def _event(self, code: str, at_ms: int, **extras: Any) -> Event:
        currency, rate = COUNTRIES[self._country]
        price = 0.0 if self._offer == "FREE_TRIAL" else PLANS[self._plan][0]
        payload = {
            "api_version": 3,
            "event_name": code,
            "event_id": str(uuid.UUID(int=self._dice.getrandbits(128), version=4)),
            **_instant("event_created_at", at_ms),
            "user_id" if self._logged_in else "anonymous_user_id": self.holder,
            "environment": self._environment,
            "device_type": "PHONE",
            "store": self._store,
            "store_country": self._country,
            "store_app_bundle_id": "com.example.journal",
            "store_product_id": f"com.example.journal.{self._plan}",
            "store_transaction_id": self._transaction,
            "store_original_transaction_id": self._transaction,
            "product": "JOURNAL_PLUS",
            "plan": self._plan,
            "purchase_type": "RENEWING_SUBSCRIPTION",
            "purchasely_subscription_id": self._subscription,
            "subscription_status": self._status,
            "offer_type": self._offer,
            "is_family_shared": False,
            "placement": "onboarding",
            "customer_currency": currency,
            "plan_price_in_eur": price,
            "plan_price_in_customer_currency": round(price * rate, 2),
            "cumulated_revenues_in_eur": self._revenue,
            **_instant("purchased_at", self._purchased_ms),
            **_instant("original_purchased_at", self._started_ms),
            **_instant("next_renewal_at", self.renewal_ms),
            **_instant("effective_next_renewal_at", self.renewal_ms),
            **({"previous_offer_type": self._previous_offer} if self._previous_offer else {}),
            **(_instant("grace_period_expires_at", at_ms + 16 * DAY_MS) if self._status == "IN_GRACE_PERIOD" else {}),
            **extras,
        }
        return at_ms, self.holder, payload


def _instant(field: str, at_ms: int) -> dict[str, Any]:
    """Both forms that Purchasely gives a date: ISO 8601, and milliseconds."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return {field: moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), f"{field}_ms": at_ms}
