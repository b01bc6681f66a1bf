"""The filter that every command on dead letters takes."""

import shlex

import pytest

from tests.support.deadletter import letter
from tests.support.deadstack import event
from worker.dead.condition import read_condition
from worker.dead.filters import Filter, read_time_ms

NOW_MS = 1_760_000_000_000
LETTER = letter(event(1, user_id=None, customerio_user_email="Ada@Example.com", plan="yearly"))


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Filter(), True),
        (Filter(integrations=("production",)), True),
        (Filter(integrations=("sandbox",)), False),
        (Filter(reasons=("too_large", "rejected")), True),
        (Filter(reasons=("too_large",)), False),
        (Filter(fields=("name",), statuses=(207,)), True),
        (Filter(fields=("name",), statuses=(400,)), False),
        (Filter(events=("SUBSCRIPTION_RENEWED",)), True),
        (Filter(causes=(LETTER.cause,)), True),
        (Filter(causes=("ffffffffffff",)), False),
        (Filter(person="ada@example.COM"), True),
        (Filter(person="ada"), False),
        (Filter(since_ms=LETTER.failed_ms), True),
        (Filter(since_ms=LETTER.failed_ms + 1), False),
        (Filter(until_ms=LETTER.failed_ms), False),
        (Filter(until_ms=LETTER.failed_ms + 1), True),
        (Filter(where=(read_condition("plan = yearly"), read_condition("user_id != x"))), True),
        (Filter(where=(read_condition("plan = yearly"), read_condition("user_id exists"))), False),
    ],
)
def test_a_filter_takes_what_meets_all_of_it(wanted, takes):
    """Of several values of one kind any will do, of several kinds all must."""
    assert wanted.takes(LETTER) is takes


def test_bytes_that_are_no_event_meet_no_condition():
    """A letter whose payload cannot be read is not chosen by what would be in it."""
    assert not Filter(where=(read_condition("plan != x"),)).takes(letter(b"\xff not json"))
    assert Filter(reasons=("rejected",)).takes(letter(b"\xff not json"))


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("30m", NOW_MS - 1_800_000),
        ("1.5h", NOW_MS - 5_400_000),
        ("3d", NOW_MS - 259_200_000),
        ("1w", NOW_MS - 604_800_000),
        ("2025-10-09T08:53:20Z", NOW_MS),
        ("2025-10-09T08:53:20", NOW_MS),
        ("2025-10-09", 1_759_968_000_000),
        ("1760000000000", NOW_MS),
    ],
)
def test_a_time_is_an_age_or_a_moment(text, time_ms):
    """Ages count back from now; moments are UTC unless they say otherwise."""
    assert read_time_ms(text, NOW_MS) == time_ms


@pytest.mark.parametrize("text", ["", "yesterday", "12", "-3h", "3 fortnights"])
def test_what_is_no_time_is_refused(text):
    """A time that cannot be read is an error, never the beginning of time."""
    with pytest.raises(ValueError, match="is no time"):
        read_time_ms(text, NOW_MS)


def test_a_filter_is_recorded_as_it_would_be_typed():
    """The text of a filter, split as a shell does, is the options that make it."""
    wanted = Filter(
        integrations=("production",),
        reasons=("rejected", "too_large"),
        statuses=(400,),
        person="it's me",
        where=(read_condition("plan = a b"),),
    )
    assert shlex.split(wanted.text()) == [
        "--integration", "production", "--reason", "rejected", "--reason", "too_large", "--status", "400",
        "--person", "it's me", "--where", "plan = a b",
    ]  # fmt: skip
    assert Filter().text() == ""
