"""No JSON object that calls itself an event makes the state fail."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.payloads import START_MS, event, payload
from worker.people.facts import read_facts
from worker.people.person import absorb, decode, encode
from worker.people.properties import DATE_PROPERTIES, PROPERTIES, properties
from worker.purchasely.event import read_event

FIELDS = sorted(payload("SUBSCRIPTION_DEFERRED") | payload("ACTIVATE", purchase=True))
FIELDS += ["grace_period_expires_at", "grace_period_expires_at_ms", "cumulated_revenues_in_usd", "previous_plan"]
FIELDS += ["from_purchasely_subscription_id", "auto_resume_at", "auto_resume_at_ms"]

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["", " ", "ACTIVATE", "SUBSCRIPTION_UPGRADED", "NONE", "2025-10-09T08:53:20.000Z", "0001-01-01"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(
        st.builds(
            lambda full, odd: payload("SUBSCRIPTION_RENEWED") | odd if full else odd,
            st.booleans(),
            st.dictionaries(st.sampled_from(FIELDS) | st.text(), VALUES, max_size=12),
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=150, deadline=None)
def test_no_json_makes_it_fail(bodies):
    """Whatever is in the fields, the event is absorbed, stored, read again and sent as values of known kinds."""
    person = decode(None)
    for body in bodies:
        absorb(person, read_facts(read_event(f"{START_MS}-0", orjson.dumps(body))))
        person = decode(encode(person))
    told = properties(person, {"monthly": "P1M"})
    assert {name for name in told if not name.startswith("cumulated_revenue_in_")} <= PROPERTIES
    for name, value in told.items():
        assert value is None or type(value) in ({int} if name in DATE_PROPERTIES else {str, bool, int, float})


def told_of(**fields):
    person = decode(None)
    absorb(person, read_facts(event(payload("SUBSCRIPTION_RENEWED", **fields))))
    return properties(person, {})


def test_values_of_the_wrong_type_are_as_good_as_absent():
    """A number for a text, a text for a yes or no: the field is not known, the others are."""
    odd = {"plan": 5, "store": ["APPLE_APP_STORE"], "is_family_shared": "yes", "offer_type": None, "product": {}}
    told = told_of(**odd)
    assert odd.keys().isdisjoint(told)
    assert told["subscription_status"] == "AUTO_RENEWING"


def test_ids_that_came_as_numbers_are_texts():
    """A numeric user id is an id all the same."""
    told = told_of(user_id=42, purchasely_subscription_id=7)
    assert (told["user_id"], told["purchasely_subscription_id"]) == ("42", "7")


def test_the_integer_of_a_date_is_preferred_the_text_serves_without_it():
    """`x_ms` wins over `x`; a broken or missing one is replaced by the text; a date of no possible era is none."""
    text = "2025-10-09T08:53:21.000Z"
    assert told_of(purchased_at_ms=START_MS, purchased_at=text)["purchased_at"] == START_MS
    assert told_of(purchased_at_ms=..., purchased_at=text)["purchased_at"] == START_MS + 1000
    assert told_of(purchased_at_ms="soon", purchased_at=text)["purchased_at"] == START_MS + 1000
    assert told_of(purchased_at_ms=float(START_MS), purchased_at=text)["purchased_at"] == START_MS
    assert "purchased_at" not in told_of(purchased_at_ms=-5, purchased_at="soon")


def test_the_kind_of_purchase_loses_its_trailing_space():
    """The documentation's own "CONSUMABLE " is CONSUMABLE; the two spellings of Amazon's store stay as received."""
    told = told_of(purchase_type="CONSUMABLE ", store="AMAZON_APP_STORE")
    assert (told["purchase_type"], told["store"]) == ("CONSUMABLE", "AMAZON_APP_STORE")


def test_revenue_is_a_number_of_a_known_currency():
    """Yes, texts and currencies that do not exist are no revenue."""
    told = told_of(
        cumulated_revenues_in_eur=True,
        cumulated_revenues_in_usd="9.99",
        cumulated_revenues_in_zzz=1,
        cumulated_revenues_in_gbp=12,
    )
    assert {name: told[name] for name in told if "revenue" in name} == {"cumulated_revenue_in_gbp": 12.0}
