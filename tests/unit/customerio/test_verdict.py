"""What each status comes to."""

from http import HTTPStatus

import pytest

from worker.customerio.verdict import Verdict, verdict
from worker.delivery.request import hold_kind

DONE, AGAIN, HOLD, SPLIT = Verdict.DONE, Verdict.AGAIN, Verdict.HOLD, Verdict.SPLIT

# Every status a client may meet that is not treated like its neighbours.
NAMED = {
    0: AGAIN,
    200: DONE,
    207: DONE,
    401: HOLD,
    403: HOLD,
    404: HOLD,
    405: HOLD,
    407: HOLD,
    408: AGAIN,
    425: AGAIN,
    429: AGAIN,
}


@pytest.mark.parametrize("status", [0, *range(100, 600)])
def test_every_status_has_its_verdict(status):
    """The named ones; else 1xx, 2xx and 3xx hold, 4xx are searched, 5xx tried again."""
    expected = NAMED.get(status) or (HOLD if status < 400 else SPLIT if status < 500 else AGAIN)
    assert verdict(status) is expected


def test_no_answer_of_a_server_in_trouble_buries_an_event():
    """All that HTTP calls a server error, a timeout or too many requests is tried again."""
    trouble = {408, 425, 429, *[status for status in HTTPStatus if status >= 500]}
    assert {verdict(status) for status in trouble} == {AGAIN}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "unauthorized"), (403, "unauthorized"), (0, "unreachable"), (429, "unreachable"), (502, "unreachable")]
    + [(status, "misdirected") for status in (204, 301, 307, 404, 405, 407)],
)
def test_a_hold_says_what_kind_of_trouble_it_is(status, kind):
    """A wrong key, a server that cannot, or another server than the Track API."""
    assert hold_kind(status) == kind
