"""The demo's events: months of a subscription app, in the order in which Purchasely would send it."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from worker.cli.demo.people import DAY_MS, Customer, Event, Fact

# Sent because the demo's file enables all codes, and refused by its Customer.io.
REFUSED_EVENT = "LOYALTY_TIER_CHANGED"
# Over Customer.io's 32 kB an item, below what the web door takes.
OVERSIZE_BYTES = 40_000

_HISTORY_DAYS = 120
_REDELIVERED_SHARE = 0.02

FACTS = {
    "trial": Fact("ACTIVATE SUBSCRIPTION_STARTED TRIAL_STARTED", "within", "AUTO_RENEWING", "FREE_TRIAL"),
    "promo": Fact(
        "ACTIVATE SUBSCRIPTION_STARTED PROMO_CODE_STARTED TRANSACTION_PROCESSED",
        "within",
        "AUTO_RENEWING",
        "PROMO_CODE",
        pays=1,
    ),
    "start": Fact("ACTIVATE SUBSCRIPTION_STARTED TRANSACTION_PROCESSED", "within", "AUTO_RENEWING", "NONE", pays=1),
    "convert": Fact(
        "ACTIVATE SUBSCRIPTION_RENEWED TRIAL_CONVERTED TRANSACTION_PROCESSED", "end", "", "NONE", pays=1, renews=True
    ),
    "keep": Fact(
        "ACTIVATE SUBSCRIPTION_RENEWED PROMO_CODE_CONVERTED TRANSACTION_PROCESSED",
        "end",
        "",
        "NONE",
        pays=1,
        renews=True,
    ),
    "renew": Fact("ACTIVATE SUBSCRIPTION_RENEWED TRANSACTION_PROCESSED", "end", "AUTO_RENEWING", pays=1, renews=True),
    "upgrade": Fact("ACTIVATE SUBSCRIPTION_UPGRADED TRANSACTION_PROCESSED", "within", "", "NONE", pays=1, renews=True),
    "disable": Fact("RENEWAL_DISABLED", "within", "AUTO_RENEWING_CANCELED"),
    "enable": Fact("RENEWAL_ENABLED", "within", "AUTO_RENEWING"),
    "lapse": Fact("TRIAL_NOT_CONVERTED DEACTIVATE SUBSCRIPTION_TERMINATED", "end", "DEACTIVATED"),
    "end": Fact("DEACTIVATE SUBSCRIPTION_TERMINATED", "end", "DEACTIVATED"),
    "refund": Fact("DEACTIVATE SUBSCRIPTION_REFUNDED_REVOKED TRANSACTION_PROCESSED", "within", "REVOKED", pays=-1),
    "grace": Fact("ACTIVATE GRACE_PERIOD_STARTED", "end", "IN_GRACE_PERIOD"),
    "recover": Fact(
        "ACTIVATE SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD TRANSACTION_PROCESSED",
        "within",
        "AUTO_RENEWING",
        pays=1,
        renews=True,
    ),
    "retry": Fact("GRACE_PERIOD_TERMINATED DEACTIVATE ENTERED_BILLING_RETRY", "within", "ON_HOLD"),
    "unpaid": Fact("SUBSCRIPTION_TERMINATED", "within", "UNPAID"),
    "pause": Fact("DEACTIVATE SUBSCRIPTION_PAUSED", "end", "PAUSED"),
    "unpause": Fact(
        "ACTIVATE SUBSCRIPTION_UNPAUSED TRANSACTION_PROCESSED", "within", "AUTO_RENEWING", pays=1, renews=True
    ),
}

# What customers do, and how many in a hundred do it. Who renews at the end of it goes on renewing, until today.
STORIES = {
    "trial convert renew": 18,
    "start renew": 16,
    "trial convert renew disable end": 12,
    "trial disable lapse": 12,
    "start renew grace recover renew": 8,
    "start disable enable renew": 7,
    "start renew upgrade renew": 7,
    "promo keep renew": 6,
    "start renew refund": 6,
    "start grace retry unpaid": 5,
    "start pause unpause renew": 3,
}


class Delivery(msgspec.Struct, frozen=True):
    """One request to make: whose event it is, and its body."""

    holder: str
    body: bytes


def deliveries(people: int, seed: int, now_ms: int) -> list[Delivery]:
    """Everything that Purchasely would send for so many people, oldest first; the same for the same arguments.

    Some are sent twice, since an answer may get lost; one is too large for Customer.io and one it refuses.
    """
    dice = random.Random(seed)  # noqa: S311 - a story, not a secret
    events = [event for number in range(1, people + 1) for event in _life(dice, number, now_ms)]
    events.sort(key=lambda event: event[0])
    _insert(events, len(events) // 3, "SUBSCRIPTION_RENEWED", content_id="x" * OVERSIZE_BYTES)
    _insert(events, len(events) // 2, REFUSED_EVENT)
    sent = [Delivery(holder, orjson.dumps(payload)) for _, holder, payload in events]
    return _redeliver(dice, sent)


def _life(dice: random.Random, number: int, now_ms: int) -> Iterator[Event]:
    """One person's events; of the first dozen each kind of person is one, whatever the dice say."""
    kind = number % 12 if number <= 12 else dice.randrange(12)
    environment = "SANDBOX" if kind == 3 else "PRODUCTION"
    customer = Customer(dice, number, environment, logged_in=kind not in {5, 7})
    facts = dice.choices(list(STORIES), list(STORIES.values()))[0].split()
    if facts[-1] == "renew":
        facts += ["renew"] * (_HISTORY_DAYS // 7)
    at_ms = now_ms - int(dice.uniform(5, _HISTORY_DAYS) * DAY_MS)
    for step, name in enumerate(facts):
        fact = FACTS[name]
        if step:
            left_ms = max(customer.renewal_ms - at_ms, DAY_MS)
            at_ms += left_ms if fact.when == "end" else int(left_ms * dice.uniform(0.1, 0.7))
        at_ms += dice.randrange(60_000)
        if at_ms > now_ms:
            return
        yield from customer.live(fact, at_ms)
        if kind == 7 and step == 0:
            at_ms += dice.randrange(120_000, 3_600_000)
            yield from customer.log_in(at_ms)


def _insert(events: list[Event], near: int, code: str, **fields: Any) -> None:
    """Add an event that will not be delivered, like a neighbour of somebody who is."""
    for place in [*range(near, len(events)), *range(near)]:
        at_ms, holder, payload = events[place]
        if payload["environment"] == "PRODUCTION" and "user_id" in payload:
            mine = {**payload, "event_name": code, "event_id": f"demo-{code.lower()}", **fields}
            events.insert(place + 1, (at_ms, holder, mine))
            return


def _redeliver(dice: random.Random, sent: list[Delivery]) -> list[Delivery]:
    """Send some again a little later, byte for byte."""
    again = dice.sample(range(len(sent)), max(1, int(len(sent) * _REDELIVERED_SHARE)))
    late = sorted((place + dice.randrange(5, 60), place) for place in again)
    result: list[Delivery] = []
    for place, delivery in enumerate(sent):
        while late and late[0][0] < place:
            result.append(sent[late.pop(0)[1]])
        result.append(delivery)
    return result + [sent[place] for _, place in late]
