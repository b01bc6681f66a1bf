"""What makes two events one, and so their ULID."""

import json

import pytest

from worker.mapping.operation import ulid
from worker.purchasely.event import CONFLICT_MARK, read_event

EVENT = {
    "event_id": "a2430cab-b56f-45d6-9268-8f9f35e20b59",
    "event_name": "SUBSCRIPTION_RENEWED",
    "user_id": "toto",
    "environment": "PRODUCTION",
    "event_created_at_ms": 1702390766120,
}


def key(*, mark=False, **fields):
    raw = json.dumps({**EVENT, **fields}).encode()
    return read_event("1-0", raw + CONFLICT_MARK if mark else raw).key


@pytest.mark.parametrize("fields", [{}, {"unheard_of": [1]}, {"event_name": "X"}, {"user_id": "tata"}])
def test_an_id_that_is_unique_keeps_its_ulid(fields):
    """The id alone makes it, as in every release so far: what was sent before an upgrade is ignored after it."""
    assert ulid(1702390766120, key(**fields)) == "01HHF6B6H81V10MS041BKHT33J"


@pytest.mark.parametrize("extra", [{}, {"unheard_of": [1]}])
def test_an_event_under_the_id_of_another_has_a_ulid_of_its_own(extra):
    """Made of name, person and environment too, and of nothing else: Customer.io would ignore it otherwise."""
    marked = key(mark=True, **extra)
    assert marked.startswith(EVENT["event_id"] + "~")
    others = [{"event_name": "X"}, {"user_id": "tata"}, {"environment": "SANDBOX"}]
    assert len({key(**extra), marked, *(key(mark=True, **extra, **other) for other in others)}) == 5
    assert key(mark=True, plan="other", **extra) == marked


def test_the_mark_is_no_part_of_the_payload():
    """Blanks behind an object mean nothing in JSON."""
    raw = json.dumps(EVENT).encode()
    assert read_event("1-0", raw + CONFLICT_MARK).fields() == json.loads(raw)


@pytest.mark.parametrize("said", ["undefined", "NULL", "[object Object]", "00000000-0000-0000-0000-000000000000", ""])
@pytest.mark.parametrize("around", [("", ""), (" " * 20, " " * 20), ("\ufeff", "\u200b" * 20)])
@pytest.mark.parametrize("extra", [{}, {"unheard_of": [1]}])
def test_a_placeholder_is_no_event_id(said, around, extra):
    """However it is padded: the second event would be taken for the first."""
    padded = said.join(around)
    assert key(event_id=padded, **extra).startswith("sha256:")
    assert key(event_id=padded, plan="a", **extra) != key(event_id=padded, plan="b", **extra)


@pytest.mark.parametrize("blank", ["", "  ", "\u200b", "\ufeff \u2060", "\x00", "\u3164"])
@pytest.mark.parametrize("extra", [{}, {"unheard_of": [1]}])
def test_a_name_that_nobody_sees_is_none(blank, extra):
    """Customer.io would have an event that nobody finds."""
    raw = json.dumps({**EVENT, "event_name": blank, **extra}).encode()
    assert read_event("1-0", raw).name == ""


def test_a_name_is_trimmed_of_what_is_not_seen():
    """So that it meets its filter and its new name."""
    raw = json.dumps({**EVENT, "event_name": "\ufeff SUBSCRIPTION_RENEWED\u200b"}).encode()
    assert read_event("1-0", raw).name == "SUBSCRIPTION_RENEWED"
