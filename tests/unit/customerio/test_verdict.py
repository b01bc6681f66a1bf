"""What each status comes to."""

from http import HTTPStatus

import pytest

from worker.customerio.verdict import Verdict, is_failure, verdict
from worker.delivery.judging import hold_kind

DONE, AGAIN, HOLD, SPLIT = Verdict.DONE, Verdict.AGAIN, Verdict.HOLD, Verdict.SPLIT

# Every status a client may meet that is not treated like its neighbours.
NAMED = {
    0: AGAIN,
    200: DONE,
    207: DONE,
    400: SPLIT,
    413: SPLIT,
    422: SPLIT,
    **dict.fromkeys([401, 402, 403, 404, 405, 406, 407, 410, 411, 412, 414, 415, 416, 417], HOLD),
    **dict.fromkeys([421, 423, 426, 428, 431, 451], HOLD),
}


@pytest.mark.parametrize("status", [0, *range(100, 600)])
def test_every_status_has_its_verdict(status):
    """The named ones; else 1xx, 2xx and 3xx hold, what is unknown is tried again."""
    expected = NAMED.get(status) or (HOLD if status < 400 else AGAIN)
    assert verdict(status) is expected


def test_no_answer_of_a_server_in_trouble_buries_an_event():
    """All that HTTP calls a server error, a timeout or too many requests is tried again."""
    trouble = {408, 425, 429, *[status for status in HTTPStatus if status >= 500]}
    assert {verdict(status) for status in trouble} == {AGAIN}


@pytest.mark.parametrize("status", range(600))
def test_a_failure_that_may_be_an_events_is_a_5xx_or_an_unknown_4xx(status):
    """Timeouts, 408, 425 and 429 tell of the destination's state alone; a 409 or a 499 may be about the request."""
    assert is_failure(status) is (verdict(status) is AGAIN and status not in {0, 408, 425, 429})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "unauthorized"),
        (402, "unauthorized"),
        (403, "unauthorized"),
        (0, "unreachable"),
        (429, "unreachable"),
        (502, "unreachable"),
        (409, "unreachable"),
        (400, "unreachable"),
    ]
    + [(status, "misdirected") for status in (204, 301, 307, 404, 405, 407, 410, 415, 426)],
)
def test_a_hold_says_what_kind_of_trouble_it_is(status, kind):
    """A wrong key, a server that cannot, or another server than the Track API."""
    assert hold_kind(status) == kind
