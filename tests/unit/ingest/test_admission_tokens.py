"""Which upstream service may post."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.integrations import Source
from worker.admission import check_token
from worker.errors import SenderError


def source(*tokens):
    return Source("app", (), tokens, 0)


def refused(known, authorization):
    with pytest.raises(SenderError) as caught:
        check_token(known, authorization)
    assert caught.value.status == 401
    return caught.value.detail


@pytest.mark.parametrize("authorization", ["Bearer one", "bearer one", "BEARER  one ", "Bearer two"])
def test_any_of_several_tokens_is_good(authorization):
    """The scheme's case and blanks do not matter."""
    check_token(source(b"one", b"two"), authorization)


def test_a_token_is_compared_by_the_bytes_sent():
    """HTTP decodes a header as Latin-1, whatever the client meant."""
    check_token(source("tökén".encode()), "Bearer tökén".encode().decode("latin-1"))


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer on", "Bearer onee", "Bearer ONE", "Basic one", "one", "Bearerone"],
)
def test_anything_else_is_refused(authorization):
    """A missing, a shorter, a longer one; another scheme."""
    assert "one" not in refused(source(b"one"), authorization).replace("one of", "")


def test_without_a_token_nothing_is_good():
    """A source for webhooks only takes nothing else, not even an empty token."""
    for authorization in (None, "Bearer ", "Bearer None"):
        refused(source(), authorization)


@given(st.text(max_size=100))
def test_no_header_breaks_the_check(authorization):
    """Whatever stands there, the answer is 401."""
    refused(source("ℵ".encode()), authorization)
