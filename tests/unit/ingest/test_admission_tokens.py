"""Which upstream service may post."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.integrations import Source
from worker.errors import SenderError
from worker.ingest.admission import check_token


def source(*tokens):
    return Source("app", (), tokens, 0)


def refused(known, authorization):
    with pytest.raises(SenderError) as caught:
        check_token(known, authorization)
    assert caught.value.status == 401
    return caught.value.detail


@pytest.mark.parametrize("authorization", [b"Bearer one", b"bearer one", b"BEARER  one ", b"Bearer two"])
def test_any_of_several_tokens_is_good(authorization):
    """The scheme's case and blanks do not matter."""
    check_token(source(b"one", b"two"), authorization)


def test_a_token_need_not_be_ascii():
    """It is compared by its bytes."""
    check_token(source("tökén".encode()), "Bearer tökén".encode())


@pytest.mark.parametrize(
    "authorization",
    [None, b"", b"Bearer", b"Bearer ", b"Bearer on", b"Bearer onee", b"Bearer ONE", b"Basic one", b"one", b"Bearerone"],
)
def test_anything_else_is_refused(authorization):
    """A missing, a shorter, a longer one; another scheme."""
    assert "one" not in refused(source(b"one"), authorization).replace("one of", "")


def test_without_a_token_nothing_is_good():
    """A source for webhooks only takes nothing else, not even an empty token."""
    for authorization in (None, b"Bearer ", b"Bearer None"):
        refused(source(), authorization)


@given(st.binary(max_size=100))
def test_no_header_breaks_the_check(authorization):
    """Whatever is there, the answer is 401."""
    refused(source("ℵ".encode()), authorization)
