"""Absorbing is a join: no order and no repetition of a history makes a difference."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.payloads import CODES, DAY_MS, HISTORIES, START_MS, event, history, payload
from worker.people.facts import read_facts
from worker.people.holding import Holding, learn, unite
from worker.people.person import absorb, decode, encode
from worker.people.properties import properties

PLANS = {"monthly": "P1M", "yearly": "P1Y"}


def told(events):
    person = decode(None)
    for one in events:
        absorb(person, read_facts(one))
    return encode(person), properties(person, PLANS)


LIVES = st.tuples(st.sampled_from(sorted(HISTORIES)), st.integers(1, 2), st.integers(0, 60))
SOMETIMES_MISSING = st.sampled_from([None, "offer_type", "plan", "store_country", "purchased_at_ms"])


@st.composite
def people(draw):
    """The events of a few subscriptions, some of them under one id, with fields missing here and there."""
    events = []
    for life, (kind, number, day) in enumerate(draw(st.lists(LIVES, min_size=1, max_size=3))):
        named = "purchasely_one_time_purchase_id" if kind.startswith("one_time") else "purchasely_subscription_id"
        for body in history(kind, start_ms=START_MS + day * DAY_MS, **{named: f"id_{number}"}):
            body.pop(draw(SOMETIMES_MISSING), None)
            events.append(event(body | {"event_id": f"{life} {body['event_id']}"}))
    return events


@st.composite
def tangles(draw):
    """Events that share ids and milliseconds as real ones hardly would."""
    rare = st.sampled_from([..., START_MS, START_MS + 1])
    bodies = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "code": st.sampled_from([*CODES, "NEW_CODE", "NEWER_CODE"]),
                    "event_created_at_ms": st.integers(START_MS, START_MS + 2),
                    "purchasely_subscription_id": st.sampled_from(["subs_1", "subs_2", ...]),
                    "from_purchasely_subscription_id": st.sampled_from([..., "subs_1", "subs_2"]),
                    "source_event_name": st.sampled_from([..., "SUBSCRIPTION_UPGRADED", "SUBSCRIPTION_TERMINATED"]),
                    "subscription_status": st.sampled_from([..., "AUTO_RENEWING", "ON_HOLD", "DEACTIVATED"]),
                    "offer_type": st.sampled_from([..., "NONE", "FREE_TRIAL"]),
                    "user_id": st.sampled_from(["user_42", "jeff", ...]),
                    "cumulated_revenues_in_eur": st.sampled_from([..., 1, 2.5]),
                    "purchased_at_ms": rare,
                    "auto_resume_at_ms": rare,
                }
            ),
            min_size=1,
            max_size=8,
        )
    )
    return [event(payload(**body, event_id=str(number))) for number, body in enumerate(bodies)]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_order_and_repetition_ends_in_the_same_state(data):
    """However a person's real history is shuffled and repeated, the stored bytes and the properties are the same."""
    events = data.draw(people())
    again = data.draw(st.lists(st.sampled_from(events), max_size=10))
    assert told(data.draw(st.permutations(events + again))) == told(events)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_events_of_one_millisecond_have_a_fixed_order(data):
    """Ties of time, contradictions and plan changes in circles end the same in any order."""
    events = data.draw(tangles())
    again = data.draw(st.lists(st.sampled_from(events), max_size=4))
    assert told(data.draw(st.permutations(events + again))) == told(events)


@given(people())
@settings(max_examples=50, deadline=None)
def test_storing_between_events_makes_no_difference(events):
    """A state that is encoded and decoded after each event ends as one that stays in memory."""
    person = decode(None)
    for one in events:
        absorb(person, read_facts(one))
        assert decode(encode(person)) == person
        person = decode(encode(person))
    assert (encode(person), properties(person, PLANS)) == told(events)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_stale_event_changes_nothing(data):
    """When `absorb` calls an event stale, the stored bytes are what they were."""
    events = data.draw(tangles())
    person = decode(None)
    for one in data.draw(st.permutations(events * 2)):
        before = encode(person)
        if not absorb(person, read_facts(one)):
            assert encode(person) == before


def test_an_older_event_that_tells_nothing_new_is_stale():
    """A late renewal of a subscription that was renewed since is stale; one of another subscription is not."""
    first, later = (event(payload("SUBSCRIPTION_RENEWED", event_created_at_ms=START_MS + n)) for n in (1, 2))
    other = event(payload("RENEWAL_ENABLED", event_created_at_ms=START_MS, purchasely_subscription_id="subs_2"))
    person = decode(None)
    assert [absorb(person, read_facts(one)) for one in (later, first, later, other)] == [True, False, True, True]
    assert person.newest_ms == START_MS + 2


def test_a_late_event_may_still_tell_something():
    """A late SUBSCRIPTION_STARTED is not stale: it tells when the subscription started."""
    started = event(payload("SUBSCRIPTION_STARTED", purchased_at_ms=START_MS + 5))
    renewed = event(payload("SUBSCRIPTION_RENEWED", event_created_at_ms=START_MS + DAY_MS))
    person = decode(None)
    assert absorb(person, read_facts(renewed))
    assert absorb(person, read_facts(started))
    assert properties(person, {})["subscription_started_at"] == START_MS + 5


def test_siblings_of_one_moment_are_told_by_the_most_particular():
    """Of the siblings of a converted trial TRIAL_CONVERTED is the `last_event`, in all orders."""
    codes = ("TRANSACTION_PROCESSED", "ACTIVATE", "SUBSCRIPTION_RENEWED", "TRIAL_CONVERTED")
    siblings = [event(payload(code)) for code in codes]
    assert {told(order)[1]["last_event"] for order in itertools.permutations(siblings)} == {"TRIAL_CONVERTED"}


@pytest.mark.parametrize("time", [{}, {"event_created_at_ms": 12}, {"event_created_at": "soon"}])
def test_an_event_without_a_usable_time_counts_as_of_its_arrival(time):
    """No time, one that cannot be read and one of no possible era are the time of storing."""
    body = {"event_name": "ACTIVATE", "user_id": "jeff", "plan": "monthly"} | time
    person = decode(None)
    absorb(person, read_facts(event(body, received_ms=START_MS + 7)))
    assert person.newest_ms == START_MS + 7


@given(st.lists(st.integers(0, 3), max_size=6), st.lists(st.integers(0, 3), max_size=6), st.data())
@settings(max_examples=150, deadline=None)
def test_two_holdings_united_are_one_that_learnt_everything(first, second, data):
    """Field by field, stamp by stamp."""
    codes = ["ACTIVATE", "SUBSCRIPTION_TERMINATED", "RENEWAL_DISABLED", "SUBSCRIPTION_STARTED", "DEACTIVATE"]
    parts, whole, number = (Holding(), Holding()), Holding(), itertools.count()
    for part, times in zip(parts, (first, second), strict=True):
        for time in times:
            missing = dict.fromkeys(data.draw(st.sets(st.sampled_from(["offer_type", "plan", "placement"]))), ...)
            fields = {"event_created_at_ms": START_MS + time, "event_id": f"{next(number)}", **missing}
            facts = read_facts(event(payload(data.draw(st.sampled_from(codes)), **({"plan": f"p{time}"} | fields))))
            learn(part, facts)
            learn(whole, facts)
    assert unite(*parts) == unite(parts[1], parts[0]) == whole
