"""What is explained is what was decided: the same code, stage by stage."""

import msgspec
import orjson
import pytest

from tests.support.fakes import integration, raw_event
from worker.mapping.explain import explain
from worker.mapping.mapper import LATE_MS, Mapper
from worker.purchasely.event import read_event

AT_MS = 1_760_000_001_000


def explained(extra="", suppressed=(), now_ms=AT_MS, name="E", **fields):
    mapper = Mapper(integration(extra))
    event = read_event(f"{AT_MS}-0", raw_event(name, 1, **fields))
    return explain(event, mapper, None, now_ms, frozenset(suppressed))


def stages(one):
    return [(stage["stage"], stage["result"]) for stage in one["stages"]]


def test_an_event_that_is_sent_passes_every_stage():
    """In the order in which they decide."""
    one = explained()
    assert one["outcome"] == "sent"
    assert stages(one) == [
        (name, "passed")
        for name in ("enabled", "event_name", "environment", "filter", "person", "time", "late", "attributes")
    ]


def test_in_shadow_the_last_stage_says_so():
    """What would be sent is shown all the same."""
    mapper = Mapper(msgspec.structs.replace(integration(), send=False))
    one = explain(read_event(f"{AT_MS}-0", raw_event("E", 1)), mapper, None, AT_MS)
    assert (one["outcome"], one["reason"], stages(one)[-1]) == ("filtered", "shadow", ("send", "stopped"))
    assert [operation["action"] for operation in one["operations"]] == ["identify", "event"]


def test_a_suppressed_person_is_said_to_be_suppressed():
    """It was shown as if every stage had passed."""
    one = explained(suppressed=["ada"])
    assert (one["outcome"], one["reason"], stages(one)[-1]) == ("filtered", "suppressed", ("suppressed", "stopped"))
    assert "ada" in one["stages"][-1]["why"]


def test_a_late_event_is_said_to_be_late():
    """And that what it says of the person counts."""
    mapper = Mapper(msgspec.structs.replace(integration(), late="skip"))
    one = explain(read_event(f"{AT_MS}-0", raw_event("E", 1)), mapper, None, AT_MS + LATE_MS + 1)
    assert (one["outcome"], one["reason"]) == ("filtered", "late")
    assert stages(one)[-2:] == [("late", "stopped"), ("state", "passed")]


def test_an_event_that_is_off_shows_what_it_changes():
    """The filter stops it, the state takes it in: the identify is shown beside the outcome."""
    one = explained(name="OFF")
    assert (one["outcome"], one["reason"]) == ("filtered", "event_off")
    assert stages(one)[-2:] == [("filter", "stopped"), ("state", "passed")]
    assert [operation["action"] for operation in one["operations"]] == ["identify"]
    assert one["after"]["plan"] == "monthly"


def test_what_is_never_sent_is_named():
    """Credentials and what would redirect a message."""
    one = explained(purchase_token="t", recipient="x@y.z", receipt_number="n")
    assert "never sent: purchase_token, recipient" in one["stages"][-1]["why"]
    assert "receipt_number" in orjson.dumps(one["operations"]).decode()


@pytest.mark.parametrize(
    ("fields", "stage", "why"),
    [
        ({"event_created_at_ms": 1760000000}, "time", "looks like seconds"),
        ({"user_id": "undefined"}, "person", "placeholders"),
        ({"user_id": None}, "person", "customerio_user_id, user_id"),
        ({"environment": "SANDBOX"}, "environment", "the event is of SANDBOX"),
    ],
)
def test_the_stage_that_stopped_an_event_is_the_last(fields, stage, why):
    """With its reason."""
    last = explained(**fields)["stages"][-1]
    assert (last["stage"], last["result"]) == (stage, "stopped")
    assert why in last["why"]


def test_the_name_of_a_field_may_be_what_is_too_large():
    """Its beginning is named: a name of 200 kB made the list of failures two million pixels wide."""
    one = explained(**{"k" * 40_000: 1})
    assert (one["outcome"], one["reason"]) == ("dead", "too_large")
    assert one["field"] == "k" * 100 + "…"
