"""Conditions on a payload, as they are typed behind `--where`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.dead.condition import read_condition

PAYLOAD = {
    "plan": "monthly",
    "price": 9.99,
    "count": 3,
    "since": "2026-01-31T08:00:00Z",
    "is_family_shared": True,
    "offer": None,
    "items": [{"sku": "a"}, {"sku": "b"}],
    "store": {"country": "FR"},
    "code": "12",
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("plan = monthly", True),
        ("plan=monthly", True),
        ("plan = yearly", False),
        ("plan != yearly", True),
        ('plan = "monthly"', True),
        ("price = 9.99", True),
        ("price > 9", True),
        ("price >= 9.99", True),
        ("price < 9.99", False),
        ("count <= 3", True),
        ("since > 2026-01-01", True),
        ("since < 2026-01-01", False),
        ("is_family_shared = true", True),
        ("is_family_shared = 1", False),
        ("count = true", False),
        ("offer = null", True),
        ("offer exists", True),
        ("nothing exists", False),
        ("nothing = null", False),
        ("nothing != x", True),
        ("nothing > 1", False),
        ("items.1.sku = b", True),
        ("items.2.sku exists", False),
        ("store.country ~ ^F", True),
        ("store ~ country", True),
        ("plan ~ ^year", False),
        ("code = 12", True),
        ("code > 9", True),
        ("plan > 3", True),
        ("store > 3", False),
    ],
)
def test_a_condition_holds_or_not(text, holds):
    """Each operator on each kind of value, on paths into objects and lists."""
    assert read_condition(text).holds(PAYLOAD) is holds


@pytest.mark.parametrize("text", ["", "plan", "= x", "plan is x", "planexists", "plan ~ ["])
def test_what_is_no_condition_is_refused(text):
    """A condition that cannot be read is an error, never one that holds for nothing or everything."""
    with pytest.raises(ValueError, match=r".+"):
        read_condition(text)


@given(st.text(alphabet="ab._=!<>~ 0\n'", max_size=20))
def test_any_text_is_read_or_refused(text):
    """No text crashes: it is a condition that holds or not, or an error that says how to write one."""
    try:
        condition = read_condition(text)
    except ValueError:
        return
    assert condition.holds(PAYLOAD) in {True, False}
