"""Answers of the Track API, and of what is not the Track API, each to its meaning."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from worker.customerio.answer import MESSAGE_LIMIT, Answer, ItemError, classify


def answer(status, content=b"", **headers):
    headers = {"Content_Length": str(len(content)), **headers}
    found = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items() if value})
    return classify(status, found, content, 5, "Some Reason")


def body(value):
    return json.dumps(value).encode()


NO_POSITION = "with an error whose `batch_index` is not a position"
TABLE = [
    # the documented success; both bodies were seen
    (200, b"{}", Answer(200, "200 Some Reason", took_ms=5)),
    (200, b"{}\n", Answer(200, "200 Some Reason", took_ms=5)),
    (200, b"", Answer(200, "200 Some Reason", took_ms=5)),
    (200, b" \n", Answer(200, "200 Some Reason", took_ms=5)),
    (207, b'{"errors":[]}', Answer(207, "207 Some Reason", took_ms=5)),
    # a page of a proxy says nothing of the items
    (200, b"<html>Welcome</html>", Answer(0, "200 with a body that is not JSON", took_ms=5, foreign=True)),
    (207, b"<html>", Answer(0, "207 with a body that is not JSON", took_ms=5, foreign=True)),
    (207, b"", Answer(0, "207 with a body that is not JSON", took_ms=5)),
    # errors that name their item
    (
        207,
        body({"errors": [{"batch_index": 3, "reason": "invalid", "field": "name", "message": "too long"}]}),
        Answer(207, "name: invalid: too long", (ItemError(3, "name", "invalid: too long"),), took_ms=5),
    ),
    (
        200,
        body({"errors": [{"batch_index": 0, "reason": "required"}]}),
        Answer(200, "required", (ItemError(0, "", "required"),), took_ms=5),
    ),
    # errors that do not
    (
        207,
        body({"errors": [{"reason": "invalid"}]}),
        Answer(207, "invalid", (ItemError(-1, "", "invalid"),), took_ms=5),
    ),
    # what is not understood is sent again
    *[
        (207, body({"errors": [{"batch_index": odd}]}), Answer(0, f"207 {NO_POSITION}", took_ms=5))
        for odd in ("3", True, None, 1.0, -1, [0])
    ],
    (207, body({"errors": ["bad"]}), Answer(0, "207 with an error that is not an object", took_ms=5)),
    *[
        (status, body({"errors": odd}), Answer(0, f"{status} whose `errors` is not a list", took_ms=5))
        for odd in ("bad", {"0": {"reason": "invalid"}}, 1, False)
        for status in (200, 207)
    ],
    (207, b"{}", Answer(0, "207 whose `errors` is not a list", took_ms=5)),
    (207, body([1]), Answer(0, "207 with JSON that is not an object", took_ms=5)),
    (200, b"null", Answer(0, "200 with JSON that is not an object", took_ms=5)),
    (200, body({"meta": {"error": "busy"}}), Answer(0, "200 with an error of the request: busy", took_ms=5)),
    (200, body({"error": "busy"}), Answer(0, "200 with an error of the request: busy", took_ms=5)),
    (
        200,
        body({"error": {"message": "busy"}}),
        Answer(0, "200 with an error of the request: busy", took_ms=5),
    ),
    (207, body({"error": "busy", "errors": []}), Answer(0, "207 with an error of the request: busy", took_ms=5)),
    (200, body({"success": False}), Answer(0, "200 with an error of the request: 200", took_ms=5)),
    (200, body({"success": True, "error": None}), Answer(200, "200 Some Reason", took_ms=5)),
    # refusals, in the three shapes the service has
    (400, body({"meta": {"error": "bad batch"}}), Answer(400, "bad batch", took_ms=5)),
    (400, body({"meta": {"errors": ["first", "second"]}}), Answer(400, "first", took_ms=5)),
    (400, body({"errors": [{"detail": "no", "field": "batch"}]}), Answer(400, "batch: no", took_ms=5)),
    (401, body({"meta": {"error": "Unauthorized"}}), Answer(401, "Unauthorized", took_ms=5)),
    (401, b"<html>", Answer(401, "401 Some Reason", took_ms=5)),
    (502, b"<html>Bad Gateway", Answer(502, "502 Some Reason", took_ms=5)),
    (500, b"", Answer(500, "500 Some Reason", took_ms=5)),
    # refusals in a shape that the service does not have
    (400, body({"error": "bad batch"}), Answer(400, "bad batch", took_ms=5, foreign=True)),
    *[
        (status, said, Answer(status, f"{status} Some Reason", took_ms=5, foreign=True))
        for said in (b"", b"{", b"<html>", b"[]", b"{}", b'{"errors":[]}', b'{"meta":{}}')
        for status in (400, 413, 422)
    ],
]


@pytest.mark.parametrize(("status", "content", "expected"), TABLE)
def test_answers_are_classified(status, content, expected):
    """The whole value: status, words, errors by item."""
    assert answer(status, content) == expected


def test_an_answer_without_a_length_must_have_a_body():
    """A connection that broke within the head looks like an empty answer, which nobody gave."""
    told = answer(200, b"", Content_Length="")
    assert told == Answer(0, "200 and no word on whether a body was to follow", took_ms=5)
    assert answer(200, b"", Content_Length="", Transfer_Encoding="chunked").status == 200
    assert answer(200, b"{}", Content_Length="").status == 200


@pytest.mark.parametrize("status", [200, 207, 400, 500])
@pytest.mark.parametrize("key", ["reason", "message", "detail", "field"])
def test_a_reason_nested_without_end_raises_nothing(status, key):
    """Not even RecursionError: it would end the worker, and in the end bury good events."""
    nested = b"[" * 1000 + b"]" * 1000
    told = answer(status, b'{"errors":[{"batch_index":0,"%s":%s}]}' % (key.encode(), nested))
    assert told.status == status
    assert len(told.message) < 100


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_names_the_host_and_the_likely_mistake(status):
    """Redirects are how a wrong region shows; the path is not repeated."""
    told = answer(status, b"{}", Location="https://track-eu.customer.io/api/v2/batch")
    assert told == Answer(
        status, f"{status}: redirected to https://track-eu.customer.io (is the region right?)", took_ms=5
    )
    assert answer(status).message == f"{status}: redirected to nowhere (is the region right?)"


@pytest.mark.parametrize(
    ("value", "expected_s"),
    [
        ("3", 3),
        (" 12 ", 12),
        ("\u00b2", 0),
        ("0", 0),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("9" * 40, 999_999_999),
    ],
)
def test_retry_after_in_seconds(value, expected_s):
    """A number is seconds; anything unreadable is no wish."""
    assert answer(429, b"", Retry_After=value).retry_after_s == expected_s


@pytest.mark.parametrize(("ahead_s", "least_s", "most_s"), [(60, 50, 60), (-60, 0, 0)])
def test_retry_after_as_a_date(ahead_s, least_s, most_s):
    """A date is the time until then, never below zero."""
    moment = datetime.now(UTC) + timedelta(seconds=ahead_s)
    told = answer(503, b"", Retry_After=format_datetime(moment, usegmt=True))
    assert least_s <= told.retry_after_s <= most_s


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=400),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["errors", "meta", "error", "batch_index", "reason", "message", "field", "detail"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.sampled_from([200, 207, 204, 301, 400, 401, 413, 429, 500, 503]),
    st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()),
    st.text(st.characters(codec="latin-1"), max_size=20)
    | st.from_regex(r"\A(Mon, )?[0-9]{1,3} (Jan|Foo) [0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})\Z"),
)
def test_no_answer_is_too_strange(status, content, retry_after):
    """Any bytes make an answer, with its own status or 0, and a line of words."""
    told = answer(status, content, Retry_After=retry_after)
    assert told.status in {status, 0}
    assert len(told.message) <= MESSAGE_LIMIT
    assert 0 <= told.retry_after_s <= 10**12
    assert all(len(error.message) <= MESSAGE_LIMIT and len(error.field) <= 100 for error in told.errors)
