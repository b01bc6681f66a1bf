"""The time of an event: read where it can only mean one thing, else the field that is wrong."""

import pytest

from worker.purchasely.moment import event_time, parse_time_ms

MS = 1_767_261_600_000  # 2026-01-01 10:00 UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T10:00:00Z",
        "2026-01-01 10:00:00 UTC",
        "2026-01-01 10:00:00 +0000",
        "2026-01-01 11:00:00 +0100",
        "2026-01-01T10:00:00.000+00:00",
        "2026-01-01 10:00:00",
        "Thu, 01 Jan 2026 10:00:00 GMT",
        "Thu, 01 Jan 2026 11:00:00 +0100",
        "20260101T100000Z",
        "2026-01-01T10:00:00z",
        "Thu, 01 Jan 2026 11:00:00 +0100 (CET)",
        "Thu, 01 Jan 2026 02:00:00 PST",
        "Thu Jan 01 2026 11:00:00 GMT+0100 (Central European Standard Time)",
        "Thu Jan 01 2026 02:00:00 GMT-08:00",
        "Thu Jan  1 10:00:00 UTC 2026",
        "Thu Jan  1 10:00:00 2026",
    ],
)
def test_every_usual_form_is_read(text):
    """Of Ruby, of mails, of ISO 8601."""
    assert parse_time_ms(text) == MS
    assert event_time({"event_created_at": text}) == (MS, None)


@pytest.mark.parametrize(
    "text",
    [
        "Thu, 01 Jan 2026 10:00:00 CET",
        "Thu Jan  1 10:00:00 JST 2026",
        "Jan 1, 2026 10:00:00 PM",
        "1 Jan 2026 10:00 PM",
        "Thu, 01 Jan 2026 10:00:00 GMT CET",
        "Mon, 1 Jan 99999999999999999999 10:00:00 +0000",
    ],
)
def test_a_date_with_a_zone_nobody_knows_is_not_taken_for_utc(text):
    """It would be wrong by hours, and order a person's events wrongly; nor does a year without end raise."""
    assert parse_time_ms(text) is None
    assert event_time({"event_created_at": text})[1].field == "event_created_at"


@pytest.mark.parametrize("value", [MS, float(MS), str(MS), f" {MS} ", "2026-01-01T10:00:00Z"])
def test_milliseconds_in_every_spelling(value):
    """A number, one with an exponent, digits in a text."""
    assert event_time({"event_created_at_ms": value}) == (MS, None)


def test_a_time_that_is_absent_is_no_fault():
    """Null and blank are absent."""
    for payload in ({}, {"event_created_at_ms": None}, {"event_created_at": " "}):
        assert event_time(payload) == (None, None)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("event_created_at_ms", 1760000000, "= 1760000000 looks like seconds, not milliseconds"),
        ("event_created_at_ms", "1760000000", "= '1760000000' looks like seconds, not milliseconds"),
        ("event_created_at_ms", MS * 1000, f"= {MS * 1000} looks like microseconds, not milliseconds"),
        ("event_created_at_ms", MS * 10**6, f"= {MS * 10**6} looks like nanoseconds, not milliseconds"),
        ("event_created_at_ms", 0, "= 0 is no time in milliseconds; it is outside the years 2001 to 5138"),
        ("event_created_at_ms", True, "= True is not a time; write ISO 8601, such as 2026-01-01T10:00:00Z"),
        ("event_created_at", "soon", "= 'soon' is not a time; write ISO 8601, such as 2026-01-01T10:00:00Z"),
        ("event_created_at", "1970-01-01", "= '1970-01-01' is outside the years 2001 to 5138"),
        ("event_created_at", ["x" * 99], None),
    ],
)
def test_what_cannot_be_read_names_its_field(field, value, message):
    """And says what it looks like."""
    time_ms, fault = event_time({field: value})
    assert time_ms is None
    assert fault.field == field
    assert len(fault.message) < 200
    if message:
        assert fault.message == f"{field} {message}"


def test_the_other_field_is_enough():
    """One of the two can be read; of two that cannot, the first is named."""
    assert event_time({"event_created_at_ms": "x", "event_created_at": "2026-01-01T10:00:00Z"}) == (MS, None)
    assert event_time({"event_created_at_ms": "x", "event_created_at": "y"})[1].field == "event_created_at_ms"
