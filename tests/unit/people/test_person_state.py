"""The stored form of a person's state: its size, its versions, its bounds."""

import msgspec
import pytest

from tests.support.payloads import DAY_MS, HISTORIES, START_MS, event, history, payload
from worker.people.facts import read_facts
from worker.people.person import LIMIT, VERSION, Person, absorb, decode, encode, is_newer
from worker.people.properties import properties


def absorbed(*bodies):
    person = decode(None)
    for body in bodies:
        absorb(person, read_facts(event(body)))
    return person


def test_nobody_seen_is_an_empty_person():
    """No stored state is a person without anything known, and nothing is sent of them."""
    assert decode(None) == Person()
    assert properties(decode(None), {"monthly": "P1M"}) == {}
    assert decode(encode(Person())) == Person()


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\xc1",
        b"\x00",
        b"{}",
        msgspec.msgpack.encode("text"),
        msgspec.msgpack.encode([1, "then"]),
        b"\x91\x01\x01",
    ],
)
def test_bytes_that_are_no_state_are_an_error(blob):
    """A state that cannot be read is never taken for a person never seen."""
    with pytest.raises(ValueError, match="the state 00ff is damaged"):
        decode(blob, "00ff")
    assert not is_newer(blob)


def test_a_state_of_a_newer_release_is_an_error():
    """After a rollback a newer state is refused, not cut down."""
    blob = encode(Person(version=VERSION + 1))
    with pytest.raises(ValueError, match=rf"the state is of a newer release \(version {VERSION + 1}, known is"):
        decode(blob)
    other = msgspec.msgpack.encode([VERSION + 1, "another form"])
    with pytest.raises(ValueError, match="is of a newer release"):
        decode(other)


def test_a_state_may_grow_at_its_end():
    """A state written before the last fields existed is read, the missing ones at their defaults."""
    person = absorbed(payload("SUBSCRIPTION_STARTED"))
    shorter = msgspec.msgpack.encode(msgspec.msgpack.decode(encode(person))[:5])
    assert decode(shorter).subscriptions == person.subscriptions
    assert decode(shorter).user_id == (0, "")


@pytest.mark.parametrize("kind", [kind for kind in HISTORIES if not kind.endswith("graded")])
def test_one_subscription_takes_below_700_bytes(kind):
    """Of a person with one subscription or purchase little is stored, whatever happened to it."""
    assert len(encode(absorbed(*history(kind)))) < 700


def test_many_subscriptions_are_bounded_ended_ones_first():
    """Past the limit the ended subscription without news for longest is forgotten, the live ones stay."""
    live = payload("SUBSCRIPTION_STARTED", event_created_at_ms=START_MS, purchasely_subscription_id="live")
    ended = [
        payload(
            "SUBSCRIPTION_TERMINATED",
            event_created_at_ms=START_MS + number * DAY_MS,
            purchasely_subscription_id=f"subs_{number:02}",
        )
        for number in range(LIMIT + 8)
    ]
    kept = {"live"} | {f"subs_{number:02}" for number in range(9, LIMIT + 8)}
    assert set(absorbed(live, *ended).subscriptions) == kept
    assert encode(absorbed(*reversed(ended), live)) == encode(absorbed(live, *ended))


def test_many_purchases_are_bounded():
    """Of a buyer of consumables the newest purchases are known."""
    bought = [
        payload(
            "ACTIVATE",
            purchase=True,
            event_created_at_ms=START_MS + number,
            purchasely_one_time_purchase_id=f"otp_{number:02}",
        )
        for number in range(LIMIT + 3)
    ]
    assert set(absorbed(*bought).purchases) == {f"otp_{number:02}" for number in range(3, LIMIT + 3)}


def test_plan_changes_in_great_number_are_bounded():
    """Former subscriptions that were never seen themselves count for the limit too."""
    changes = [
        payload("SUBSCRIPTION_UPGRADED", event_created_at_ms=START_MS + n, from_purchasely_subscription_id=f"old_{n}")
        for n in range(LIMIT + 5)
    ]
    person = absorbed(*changes)
    assert len(person.subscriptions) == LIMIT
    assert properties(person, {})["has_active_subscription"] is True


def test_endless_texts_are_cut():
    """A text of any length costs a bounded place, and is still too long to be sent."""
    person = absorbed(payload("ACTIVATE", plan="p" * 50_000, user_id="u" * 50_000, event_id="e" * 50_000))
    assert len(encode(person)) < 6000
    assert len(properties(person, {})["plan"]) > 1000


def test_siblings_share_one_snapshot_and_come_to_the_same():
    """What three events of one fact tell is in memory once; an event that tells something else has its own."""
    told = {"subscription_status": "AUTO_RENEWING", "plan": "monthly"}
    first, second = payload("ACTIVATE", **told), payload("SUBSCRIPTION_RENEWED", **told)
    other = payload("SUBSCRIPTION_RENEWED", **told | {"plan": "yearly"})
    like = read_facts(event(first)).snapshot
    assert read_facts(event(second), like=like).snapshot is like
    assert read_facts(event(other), like=like).snapshot is not like
    shared = decode(None)
    for body in (first, second, other):
        facts = read_facts(event(body), like=like)
        absorb(shared, facts)
        like = facts.snapshot
    assert encode(shared) == encode(absorbed(first, second, other))
