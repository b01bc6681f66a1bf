"""The sentence that says how things are with a person's subscription."""

import pytest

from tests.support.payloads import DAY_MS, START_MS, event, payload
from worker.people.facts import read_facts
from worker.people.in_words import Part, in_words
from worker.people.person import absorb, decode

PLANS = {"monthly": "P1M", "yearly": "P1Y"}
RENEWAL_MS = START_MS + 30 * DAY_MS
NOW_MS = START_MS + DAY_MS


def said(*bodies, plans=PLANS, now_ms=NOW_MS):
    """The sentence of somebody with these events."""
    person = decode(None)
    for body in bodies:
        absorb(person, read_facts(event(body)))
    return in_words(person, plans, now_ms)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("SUBSCRIPTION_RENEWED", [("Subscribed", None), ("monthly", None), ("renews", RENEWAL_MS)]),
        ("RENEWAL_DISABLED", [("Subscribed", None), ("monthly", None), ("ends", RENEWAL_MS)]),
        ("TRIAL_STARTED", [("In a free trial", None), ("monthly", None), ("renews", RENEWAL_MS)]),
        ("SUBSCRIPTION_UPGRADED", [("Subscribed", None), ("yearly", None), ("renews", RENEWAL_MS)]),
        (
            "GRACE_PERIOD_STARTED",
            [
                ("Subscribed", None),
                ("monthly", None),
                ("payment failed, in the grace period until", RENEWAL_MS + 6 * DAY_MS),
            ],
        ),
        ("ENTERED_BILLING_RETRY", [("Payment failed, no access until it is made", None), ("monthly", None)]),
        ("SUBSCRIPTION_PAUSED", [("Paused", None), ("monthly", None), ("resumes", RENEWAL_MS + 60 * DAY_MS)]),
        ("SUBSCRIPTION_REFUNDED_REVOKED", [("Subscription refunded or taken back", None), ("monthly", None)]),
        ("SUBSCRIPTION_TRANSFERRED", [("Subscription transferred to somebody else", None), ("monthly", None)]),
        ("SUBSCRIPTION_TERMINATED", [("Subscription ended", START_MS + 1500), ("monthly", None)]),
    ],
)
def test_the_sentence_of_each_standing(code, expected):
    """What the person has, how often they pay, and what comes next, with its day."""
    assert said(payload(code)) == [Part(*one) for one in expected]


def test_a_day_that_is_over_is_said_to_be():
    """Nothing came after it: the sentence does not promise a renewal in the past."""
    later_ms = RENEWAL_MS + DAY_MS
    assert said(payload("SUBSCRIPTION_RENEWED"), now_ms=later_ms)[-1] == Part("renewal was due", RENEWAL_MS)
    assert said(payload("RENEWAL_DISABLED"), now_ms=later_ms)[-1] == Part("was to end", RENEWAL_MS)


def test_nothing_is_invented():
    """Without a plans table the plan by its name; of who was never seen nothing; of a purchase no subscription."""
    assert said(payload("SUBSCRIPTION_RENEWED"), plans={})[1] == Part("plan monthly")
    assert said() == []
    assert said(payload("SUBSCRIPTION_RENEWED", plan=None), plans={})[1].words == "renews"
    once = payload("ONE_TIME_PURCHASE_RECEIVED")
    assert said(once) == [Part("Bought once", once["purchased_at_ms"])]
