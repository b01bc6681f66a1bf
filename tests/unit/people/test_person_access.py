"""Who has access is decided by the names of events, once and for any order."""

import itertools

import pytest

from tests.support.payloads import CODES, DAY_MS, START_MS, event, history, payload
from worker.people.facts import read_facts
from worker.people.person import absorb, decode
from worker.people.properties import properties
from worker.purchasely.documented import DATE_MAX_MS

GAINED, LOST, SAME = True, False, None

ACCESS = {
    "ACTIVATE": GAINED,
    "DEACTIVATE": LOST,
    "TRANSACTION_PROCESSED": SAME,
    "SUBSCRIPTION_STARTED": GAINED,
    "TRIAL_STARTED": GAINED,
    "INTRO_OFFER_STARTED": GAINED,
    "PROMO_CODE_STARTED": GAINED,
    "TRIAL_CONVERTED": GAINED,
    "INTRO_OFFER_CONVERTED": GAINED,
    "PROMO_CODE_CONVERTED": GAINED,
    "TRIAL_NOT_CONVERTED": LOST,
    "INTRO_OFFER_NOT_CONVERTED": LOST,
    "PROMO_CODE_NOT_CONVERTED": LOST,
    "PROMOTIONAL_OFFER_STARTED": GAINED,
    "PROMOTIONAL_OFFER_CONVERTED": GAINED,
    "PROMOTIONAL_OFFER_NOT_CONVERTED": LOST,
    "SUBSCRIPTION_RENEWED": GAINED,
    "SUBSCRIPTION_DEFERRED": GAINED,
    "SUBSCRIPTION_REACTIVATED": GAINED,
    "SUBSCRIPTION_CROSSGRADED": GAINED,
    "SUBSCRIPTION_DOWNGRADED": GAINED,
    "SUBSCRIPTION_UPGRADED": GAINED,
    "RENEWAL_DISABLED": SAME,
    "RENEWAL_ENABLED": SAME,
    "SUBSCRIPTION_TERMINATED": LOST,
    "FAMILY_SHARED_REVOKED": LOST,
    "GRACE_PERIOD_STARTED": GAINED,
    "GRACE_PERIOD_TERMINATED": LOST,
    "ENTERED_BILLING_RETRY": LOST,
    "SUBSCRIPTION_CANCELLED_DURING_GRACE_PERIOD": LOST,
    "SUBSCRIPTION_RECOVERED_FROM_GRACE_PERIOD": GAINED,
    "SUBSCRIPTION_RECOVERED_FROM_BILLING_RETRY": GAINED,
    "SUBSCRIPTION_WILL_PAUSE": SAME,
    "SUBSCRIPTION_PAUSED": LOST,
    "SUBSCRIPTION_UNPAUSED": GAINED,
    "SUBSCRIPTION_CANCELLED_DURING_PAUSE": LOST,
    "SUBSCRIPTION_WILL_NOT_PAUSE": SAME,
    "SUBSCRIPTION_TRANSFERRED": LOST,
    "SUBSCRIPTION_RECEIVED": GAINED,
    "ONE_TIME_PURCHASE_TRANSFERRED": LOST,
    "ONE_TIME_PURCHASE_RECEIVED": GAINED,
    "SUBSCRIPTION_REFUNDED_REVOKED": LOST,
    "INSTALLMENT_PAID": SAME,
    "INSTALLMENT_REFUNDED": SAME,
}


def told(*bodies):
    person = decode(None)
    for body in bodies:
        absorb(person, read_facts(event(body)))
    return properties(person, {})


def active(*bodies):
    return told(*bodies)["has_active_subscription"]


def test_every_code_has_its_row():
    """All 44 codes are in the table, and have a payload of their own."""
    assert ACCESS.keys() == CODES.keys()
    assert len(ACCESS) == 44


@pytest.mark.parametrize("code", [code for code in ACCESS if not code.startswith("ONE_TIME_PURCHASE_")])
@pytest.mark.parametrize("before", ["ACTIVATE", "DEACTIVATE"])
def test_what_each_code_does_to_access(code, before):
    """A code gives access, takes it away or leaves it, whatever was before and whatever its status says."""
    first = payload(before, event_created_at_ms=START_MS)
    expected = before == "ACTIVATE" if ACCESS[code] is SAME else ACCESS[code]
    for status in ({}, {"subscription_status": "AUTO_RENEWING"}, {"subscription_status": ...}):
        last = payload(code, event_created_at_ms=START_MS + DAY_MS, **status)
        assert active(first, last) is expected
        assert active(last, first) is expected
        assert told(last, first)["last_event"] == code


@pytest.mark.parametrize(
    "code", ["ACTIVATE", "DEACTIVATE", "ONE_TIME_PURCHASE_TRANSFERRED", "ONE_TIME_PURCHASE_RECEIVED"]
)
def test_what_the_codes_of_one_time_purchases_do(code):
    """A purchase that is held speaks before one that was lost, even when that was bought later."""
    first = payload(code, purchase=True, purchasely_one_time_purchase_id="otp_1")
    other = {"purchasely_one_time_purchase_id": "otp_2", "purchased_at_ms": START_MS + 5}
    lost = payload("DEACTIVATE", purchase=True, **other)
    speaks = told(first, lost)["purchasely_one_time_purchase_id"]
    assert speaks == ("otp_1" if ACCESS[code] is GAINED else "otp_2")


@pytest.mark.parametrize("code", [code for code, access in ACCESS.items() if access is SAME])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("AUTO_RENEWING", True),
        ("AUTO_RENEWING_CANCELED", True),
        ("IN_GRACE_PERIOD", True),
        ("ON_HOLD", False),
        ("PAUSED", False),
        ("DEACTIVATED", False),
        ("REVOKED", False),
        ("UNPAID", False),
        ("CANCELED", None),
        (..., None),
    ],
)
def test_the_status_decides_where_no_name_did(code, status, expected):
    """A neutral event alone is read by its status; without one that is known, nothing is said about access."""
    assert told(payload(code, subscription_status=status)).get("has_active_subscription") is expected


def test_the_retired_codes_still_mean_what_they_meant():
    """SUBSCRIPTION_EXPIRED of webhook v2 ends."""
    later = {"event_created_at_ms": START_MS + DAY_MS}
    assert active(payload("ACTIVATE"), payload("SUBSCRIPTION_EXPIRED", **later)) is False


def test_a_code_of_the_future_changes_access_only_by_its_status():
    """Of an unknown code the fields are taken; access follows its status if that says anything."""
    first = payload("ACTIVATE", event_created_at_ms=START_MS)
    later = {"event_created_at_ms": START_MS + DAY_MS, "plan": "new"}
    silent = told(first, payload("SUBSCRIPTION_TELEPORTED", subscription_status=..., **later))
    assert (silent["has_active_subscription"], silent["plan"]) == (True, "new")
    assert silent["last_event"] == "SUBSCRIPTION_TELEPORTED"
    assert active(first, payload("SUBSCRIPTION_TELEPORTED", subscription_status="UNPAID", **later)) is False
    gone = payload("DEACTIVATE", event_created_at_ms=START_MS)
    assert active(gone, payload("SUBSCRIPTION_TELEPORTED", **later)) is True


def test_a_deactivate_that_still_says_auto_renewing_ends():
    """The documented DEACTIVATE of a transfer carries AUTO_RENEWING and a date to come: its name counts."""
    gone = payload("DEACTIVATE", subscription_status="AUTO_RENEWING", event_created_at_ms=START_MS + DAY_MS)
    result = told(payload("ACTIVATE"), gone)
    assert result["has_active_subscription"] is False
    assert result["subscription_status"] == "DEACTIVATED"
    assert result["is_auto_renewing"] is False


def same_moment(*bodies):
    """Access after events of one millisecond, the same in each order."""
    (result,) = {active(*order) for order in itertools.permutations(bodies)}
    return result


def test_activate_and_deactivate_of_one_millisecond():
    """Of equals the ACTIVATE holds; the one that tells its reason weighs as much as that; a refund weighs most."""
    bare = {"source_event_name": ...}
    on, off = payload("ACTIVATE", **bare), payload("DEACTIVATE", **bare)
    assert same_moment(on, off) is True
    assert same_moment(on, payload("DEACTIVATE", source_event_name="SUBSCRIPTION_TERMINATED")) is False
    assert same_moment(payload("ACTIVATE", source_event_name="SUBSCRIPTION_RENEWED"), off) is True
    change = {"source_event_name": "SUBSCRIPTION_UPGRADED"}
    assert same_moment(payload("ACTIVATE", **change), payload("DEACTIVATE", **change)) is True
    move = payload("DEACTIVATE", source_event_name="SUBSCRIPTION_TRANSFERRED")
    assert same_moment(payload("ACTIVATE", source_event_name="SUBSCRIPTION_RECEIVED"), move) is True
    refund = payload("DEACTIVATE", source_event_name="SUBSCRIPTION_REFUNDED_REVOKED")
    assert same_moment(payload("ACTIVATE", source_event_name="SUBSCRIPTION_RENEWED"), refund) is False


def test_a_transfer_within_one_person_is_no_loss():
    """When both sides of a transfer are one person, they have the subscription, in each order."""
    gone, come = payload("SUBSCRIPTION_TRANSFERRED"), payload("SUBSCRIPTION_RECEIVED")
    assert same_moment(gone, come, payload("DEACTIVATE", source_event_name="SUBSCRIPTION_TRANSFERRED")) is True


@pytest.mark.parametrize("later_ms", [-40, 0, 3, 40])
@pytest.mark.parametrize("named", [True, False])
def test_a_transfer_to_oneself_takes_nothing_away(later_ms, named):
    """One Customer.io id before and after the login: whichever side comes later, in each order."""
    anonymous = {"user_id": ..., "anonymous_user_id": "6837C35A"}
    at = {"event_created_at_ms": START_MS + 5000 + later_ms}
    gone = payload("SUBSCRIPTION_TRANSFERRED", transferred_to_user_id="user_42", **anonymous, **at)
    source = {"source_event_name": "SUBSCRIPTION_TRANSFERRED"}
    to = {"transferred_to_user_id": "user_42"} if named else {}
    off = payload("DEACTIVATE", **source, **to, **anonymous, event_created_at_ms=START_MS + 5001 + later_ms)
    come = payload("SUBSCRIPTION_RECEIVED", event_created_at_ms=START_MS + 5000)
    for order in itertools.permutations((payload("SUBSCRIPTION_STARTED", **anonymous), gone, off, come)):
        result = told(*order)
        assert (result["has_active_subscription"], result["subscription_status"]) == (True, "AUTO_RENEWING")
    away = payload("SUBSCRIPTION_TRANSFERRED", transferred_to_user_id="jeff", event_created_at_ms=START_MS + DAY_MS)
    result = told(gone, away, off, come)
    assert (result["has_active_subscription"], result["subscription_status"]) == (False, "DEACTIVATED")


@pytest.mark.parametrize("order", [1, -1])
def test_a_transfer_between_two_people(order):
    """The loser has no subscription and did not churn, the gainer has it; the order of arrival is no matter."""
    anonymous = {"user_id": ..., "anonymous_user_id": "6837C35A"}
    loser, gainer = told(*history("transferred", **anonymous)[::order]), told(*history("received")[::order])
    assert (loser["has_active_subscription"], gainer["has_active_subscription"]) == (False, True)
    assert (loser["has_expired_subscription"], gainer["has_expired_subscription"]) == (False, False)
    assert (loser["subscription_status"], gainer["subscription_status"]) == ("DEACTIVATED", "AUTO_RENEWING")
    assert (loser["anonymous_user_id"], gainer["user_id"]) == ("6837C35A", "user_42")
    assert gainer["subscription_started_at"] == START_MS


def test_a_subscription_that_comes_back():
    """Away to another user and back again: held."""
    back = payload("SUBSCRIPTION_RECEIVED", event_created_at_ms=START_MS + 9 * DAY_MS)
    assert active(*history("transferred"), back) is True


@pytest.mark.parametrize("kind", ["upgraded", "downgraded", "crossgraded"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_plan_change_ends_the_former_subscription(kind, order):
    """The new subscription speaks and names the former plan; the former one is gone, but has not expired."""
    bodies = [body for body in history(kind) if body.get("source_event_name") != f"SUBSCRIPTION_{kind.upper()}"]
    new = next(body for body in bodies if "previous_plan" in body)
    result = told(*bodies[::order])
    assert result["has_active_subscription"] is True
    assert result["has_expired_subscription"] is False
    assert (result["plan"], result["previous_plan"]) == (new["plan"], "monthly")
    assert result["purchasely_subscription_id"] == new["purchasely_subscription_id"]
    assert result["subscription_started_at"] == START_MS + 12 * DAY_MS
    end = {"event_created_at_ms": START_MS + 900 * DAY_MS, "subscription_status": "DEACTIVATED"}
    after = told(*bodies[::order], bodies[-1] | end | {"event_name": "SUBSCRIPTION_TERMINATED", "event_id": "end"})
    assert after["has_active_subscription"] is False
    assert after["expired_subscription_plan"] == new["plan"]


def test_a_plan_change_that_names_itself_ends_nothing():
    """A plan change that keeps the subscription's id leaves it live."""
    same = payload(
        "SUBSCRIPTION_UPGRADED", from_purchasely_subscription_id="subs_1", purchasely_subscription_id="subs_1"
    )
    assert active(same) is True


def test_a_subscription_without_an_id_is_told_by_its_transaction():
    """Without Purchasely's id the first store transaction tells subscriptions apart, without that the plan."""
    unnamed = {"purchasely_subscription_id": ...}
    on = payload("ACTIVATE", **unnamed)
    off = payload("DEACTIVATE", event_created_at_ms=START_MS + DAY_MS, **unnamed)
    assert active(on, off) is False
    assert active(on, off | {"store_original_transaction_id": "another"}) is True
    nameless = {"store_original_transaction_id": ..., "store_transaction_id": ..., **unnamed}
    assert active(payload("ACTIVATE", **nameless), payload("DEACTIVATE", plan="other", **nameless)) is True
    assert "purchasely_subscription_id" not in told(on)


def test_an_event_about_nothing_tells_only_the_person():
    """An event that names no subscription, purchase, plan or product tells ids and revenue."""
    about = ("purchasely_subscription_id", "store_original_transaction_id", "store_transaction_id", "plan", "product")
    body = payload("ACTIVATE", **dict.fromkeys(about, ...))
    assert told(body) == {"user_id": "user_42", "device_id": "1234567890abcdef", "cumulated_revenue_in_eur": 19.98}


def test_a_bare_deactivate_in_a_paid_period_is_no_end():
    """Purchasely's sample of a transfer: nothing has expired, and there is no access. One that says why is an end."""
    live = {"subscription_status": "AUTO_RENEWING", "event_created_at_ms": START_MS + DAY_MS}
    gone = payload("DEACTIVATE", source_event_name=..., **live)
    result = told(payload("ACTIVATE"), gone)
    assert (result["has_active_subscription"], result["has_expired_subscription"]) == (False, False)
    assert "expired_subscription_plan" not in result
    why = gone | {"source_event_name": "SUBSCRIPTION_TERMINATED", "event_id": "e"}
    assert told(payload("ACTIVATE"), why)["has_expired_subscription"] is True


def test_a_bare_deactivate_after_the_paid_period_is_an_end():
    """Whatever the status still says; and so is one whose status says that it is over."""
    late = payload(
        "DEACTIVATE", subscription_status="AUTO_RENEWING_CANCELED", event_created_at_ms=START_MS + 31 * DAY_MS
    )
    assert told(payload("ACTIVATE"), late)["has_expired_subscription"] is True
    over = payload(
        "DEACTIVATE", source_event_name=..., subscription_status="DEACTIVATED", event_created_at_ms=START_MS + DAY_MS
    )
    assert told(payload("ACTIVATE"), over)["has_expired_subscription"] is True


def test_what_was_learnt_without_an_id_is_joined_to_the_subscription_of_its_transaction():
    """In every order; without a transaction in common they stay two."""
    nameless = payload("SUBSCRIPTION_STARTED", purchasely_subscription_id=..., placement="first")
    ended = payload("SUBSCRIPTION_TERMINATED", event_created_at_ms=START_MS + DAY_MS, placement=...)
    for order in itertools.permutations([nameless, ended]):
        result = told(*order)
        assert (result["has_active_subscription"], result["placement"]) == (False, "first")
        assert result["subscription_started_at"] == START_MS
    apart = nameless | {"store_original_transaction_id": "another", "event_id": "e"}
    assert told(apart, ended)["has_active_subscription"] is True


@pytest.mark.parametrize(("first", "later"), [("4711", 4711), (4711, "4711"), ("4711", " 4711 "), (" 4711", "4711")])
def test_a_transaction_is_one_however_it_is_written(first, later):
    """As a number, as a text, with blanks around it: what it names is one subscription, which has ended."""
    nameless = payload("SUBSCRIPTION_STARTED", purchasely_subscription_id=..., store_original_transaction_id=first)
    ended = payload(
        "SUBSCRIPTION_TERMINATED", event_created_at_ms=START_MS + DAY_MS, store_original_transaction_id=later
    )
    for order in itertools.permutations([nameless, ended]):
        assert told(*order)["has_active_subscription"] is False


@pytest.mark.parametrize("named_by", ["store_transaction_id", "store_original_transaction_id"])
@pytest.mark.parametrize("later_by", ["store_transaction_id", "store_original_transaction_id"])
def test_a_first_transaction_is_its_own_original(named_by, later_by):
    """An event that has one of the two alone, without Purchasely's id, is of the subscription that has either."""
    neither = {"store_transaction_id": ..., "store_original_transaction_id": ...}
    nameless = payload("SUBSCRIPTION_STARTED", **{"purchasely_subscription_id": ..., **neither, named_by: "4711"})
    ended = payload(
        "SUBSCRIPTION_TERMINATED", **{"event_created_at_ms": START_MS + DAY_MS, **neither, later_by: "4711"}
    )
    for order in itertools.permutations([nameless, ended]):
        assert told(*order)["has_active_subscription"] is False


@pytest.mark.parametrize("written", [" AUTO_RENEWING ", "auto_renewing", "Auto_Renewing\u200b"])
@pytest.mark.parametrize("extra", [{}, {"unheard_of": [1]}])
def test_a_status_is_a_code_however_it_is_written(written, extra):
    """A bare DEACTIVATE in a paid period is a transfer, so nothing has expired; and the code is what is sent."""
    gone = payload(
        "DEACTIVATE", source_event_name=..., subscription_status=written, event_created_at_ms=START_MS + DAY_MS, **extra
    )
    assert told(payload("ACTIVATE"), gone)["has_expired_subscription"] is False
    assert told(payload("ACTIVATE", subscription_status=written, **extra))["subscription_status"] == "AUTO_RENEWING"


@pytest.mark.parametrize("source", [" SUBSCRIPTION_TERMINATED ", "subscription_terminated"])
@pytest.mark.parametrize("extra", [{}, {"unheard_of": [1]}])
def test_a_reason_is_a_code_however_it_is_written(source, extra):
    """A DEACTIVATE that says why is an end."""
    ended = payload("DEACTIVATE", source_event_name=source, event_created_at_ms=START_MS + DAY_MS, **extra)
    assert told(payload("ACTIVATE"), ended)["has_expired_subscription"] is True


@pytest.mark.parametrize("offer_type", [" free_trial", "FREE_TRIAL "])
def test_an_offer_is_a_code_however_it_is_written(offer_type):
    """As a status is."""
    assert told(payload("TRIAL_STARTED", offer_type=offer_type))["is_in_trial"] is True


def test_a_nameless_event_joins_what_was_current_then():
    """A plan change keeps the transaction: the later one is not touched by what was said before it."""
    first = payload("ACTIVATE", event_created_at_ms=START_MS + 1)
    nameless = payload("RENEWAL_DISABLED", purchasely_subscription_id=..., event_created_at_ms=START_MS + 2)
    change = {
        "purchasely_subscription_id": "subs_2",
        "from_purchasely_subscription_id": first["purchasely_subscription_id"],
    }
    second = payload("SUBSCRIPTION_UPGRADED", event_created_at_ms=START_MS + 3, **change)
    for order in itertools.permutations([first, nameless, second]):
        result = told(*order)
        assert (result["purchasely_subscription_id"], result["last_event"]) == ("subs_2", "SUBSCRIPTION_UPGRADED")
        assert result["subscription_status"] == "AUTO_RENEWING"


def test_a_one_time_purchase_without_an_id_is_joined_too():
    """It is one purchase, and it can be lost."""
    nameless = payload("ACTIVATE", purchase=True, purchasely_one_time_purchase_id=...)
    lost = payload("DEACTIVATE", purchase=True, event_created_at_ms=START_MS + DAY_MS)
    assert told(nameless, lost)["purchasely_one_time_purchase_id"] == "otp_XXXXXXXFFFFFFFFF"


def test_what_was_never_told_is_not_sent():
    """An ACTIVATE alone, without status or offer; an event that says nothing of access."""
    bare = payload("ACTIVATE", subscription_status=..., offer_type=..., previous_offer_type=...)
    result = told(bare)
    assert result["has_active_subscription"] is True
    unknown = {"is_in_trial", "is_in_intro_offer", "is_promo_code", "is_auto_renewing", "is_in_grace_period"}
    assert not unknown & result.keys()
    quiet = told(payload("TRANSACTION_PROCESSED", subscription_status=..., offer_type=..., previous_offer_type=...))
    assert not (unknown | {"has_active_subscription", "is_in_billing_retry", "has_expired_subscription"}) & quiet.keys()


def test_a_date_beyond_all_bounds_replaces_the_former_one():
    """It cannot be held, but neither does the former one."""
    far = payload("SUBSCRIPTION_RENEWED", event_created_at_ms=START_MS + DAY_MS) | {
        "effective_next_renewal_at_ms": 10**18
    }
    assert told(payload("ACTIVATE"), far)["effective_next_renewal_at"] == DATE_MAX_MS
